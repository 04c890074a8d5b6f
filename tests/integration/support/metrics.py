"""The Prometheus text format, as far as tests read it."""

import re

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([^ ]+)(?: -?\d+)?")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?')


class Metrics:
    def __init__(self, text):
        self.text = text
        self.samples = []  # (name, {label: value}, number)
        self.types = {}    # family -> counter | gauge | histogram
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, family, kind = line.split(" ")
                self.types[family] = kind
            elif line and not line.startswith("#"):
                match = _SAMPLE.fullmatch(line)
                assert match, f"not a sample: {line!r}"
                name, labels, number = match.groups()
                self.samples.append((name, dict(_LABEL.findall(labels or "")), float(number)))

    def sum(self, name, **labels):
        """Over all series of that name with (at least) these labels; 0 when there is none."""
        return sum(number for each, has, number in self.samples
                   if each == name and labels.items() <= has.items())

    def label_values(self, name, label):
        return {has[label] for each, has, _ in self.samples if each == name and label in has}
