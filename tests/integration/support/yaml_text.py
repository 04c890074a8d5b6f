"""Plain Python values as YAML text: mappings, lists, strings, numbers, booleans."""

import json


def yaml_text(value):
    return "\n".join(_lines(value)) + "\n"


def _lines(value, indent=0):
    pad = "  " * indent
    if isinstance(value, dict) and value:
        for key, item in value.items():
            if _is_scalar(item):
                yield f"{pad}{key}: {_scalar(item)}"
            else:
                yield f"{pad}{key}:"
                yield from _lines(item, indent + 1)
    elif isinstance(value, list) and value:
        for item in value:
            if _is_scalar(item):
                yield f"{pad}- {_scalar(item)}"
            else:
                first, *rest = _lines(item, indent + 1)
                yield f"{pad}- {first.lstrip()}"
                yield from rest
    else:
        yield pad + _scalar(value)


def _is_scalar(value):
    return not isinstance(value, (dict, list)) or not value


def _scalar(value):
    # A JSON string, number, boolean, {} or [] means the same in YAML.
    return json.dumps(str(value) if hasattr(value, "__fspath__") else value)
