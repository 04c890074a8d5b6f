"""Says what is being measured and how long it will still take, on standard error."""

import sys
import time


def spoken(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Progress:
    def __init__(self, planned_seconds: float):
        """`planned_seconds` is the sum over all steps, as `step` will be told them."""
        self._planned_left = planned_seconds
        self._planned_done = 0.0
        self._begin = time.monotonic()
        self._width = len(spoken(planned_seconds)) + 6

    def step(self, planned_seconds: float, text: str) -> None:
        """A step has ended. What is left is scaled by how true the plan has been so far."""
        self._planned_left = max(0.0, self._planned_left - planned_seconds)
        self._planned_done += planned_seconds
        elapsed = time.monotonic() - self._begin
        left = self._planned_left * elapsed / self._planned_done if self._planned_done else self._planned_left
        self.note(f"[{spoken(left) + ' left':>{self._width}}] {text}")

    def drop(self, planned_seconds: float, text: str) -> None:
        """Steps that were planned and will not happen."""
        self._planned_left = max(0.0, self._planned_left - planned_seconds)
        self.note(f"[{'':>{self._width}}] {text}")

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)
