"""The first line of the log: the version, the shard, the namespaces, and the options that are not their defaults."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from astra_mirror.core.journal.line import Line
from astra_mirror.support.durations import format_duration, parse_duration

_USER_INFO: Final = re.compile(r"(://).*@")
"""Up to the last @: a password may have one, and a slash as well."""
_SHOWN_ANYWAY: Final = frozenset({"shard", "namespace"})


def start_line(version: str, options: Mapping[str, object], defaults: Mapping[str, object]) -> Line:
    """The line that says that the operator starts.

    Args:
        version: its version.
        options: the value of each option: a text, a flag, a list of texts, or seconds.
        defaults: the default of each option, where a duration is a text.
    """
    shard, namespaces = str(options["shard"]), _list(options["namespace"])
    shown = {
        f"--{name.replace('_', '-')}": value
        for name, value in options.items()
        if name not in _SHOWN_ANYWAY and not _is_default(value, defaults[name])
    }
    where = f"namespaces {', '.join(namespaces)}" if namespaces else "all namespaces"
    typed = [name if value is True else f"{name} {_text(value)}" for name, value in shown.items()]
    fields: dict[str, object] = {"version": version, "shard": shard}
    fields |= {"options": {name: _text(value) for name, value in shown.items()}}
    fields |= {"namespaces": namespaces} if namespaces else {}
    return Line("info", f"astra-mirror {version} starts: {', '.join((f'shard {shard}', where, *typed))}", fields)


def _is_default(value: object, default: object) -> bool:
    return value == (parse_duration(default) if isinstance(value, float) and isinstance(default, str) else default)


def _text(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return format_duration(value) if value.is_integer() else f"{value:g}s"
        case list() | tuple():
            return ",".join(_list(value))
        case _:
            return _without_user_info(str(value))


def _list(value: object) -> list[str]:
    return [_without_user_info(str(each)) for each in value] if isinstance(value, Sequence) else []


def _without_user_info(text: str) -> str:
    return _USER_INFO.sub(r"\1", text)
