"""Fuzzes durations and specs against Go's algorithm, which decides what the API server admits."""

import re
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from astra_mirror.api.app_backup_ref import AppBackupRefSpec
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.spec import read_spec
from astra_mirror.support.durations import format_duration, parse_duration, parse_nanoseconds
from tests.fuzz.bounds import IN_SECONDS
from tests.fuzz.mutation import mutated

_UNITS: Final = {
    "ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
_TOP: Final = 2**63
_EXAMPLES: Final = [
    each.encode()
    for each in ("15s", "1m30s", "1.5h", ".5ms", "+2h45m0.25s", "9223372036854775807ns", "9223372036854775808ns", "0")
]
_WORDS: Final = [
    each.encode()
    for each in (
        *_UNITS,
        *"0123456789.+- ,_eE",
        "9223372036854775808",
        "0." + "3" * 30,
        "2562047h",
        "٣",
        "²",
        "μ",
        "\0",
        "00",
    )
]
texts: Final = mutated(_EXAMPLES, _WORDS, most=5000).map(lambda data: data.decode("utf-8", "replace"))
UUID: Final = "3b7a5e0c-52b1-4c8e-9d0a-6f1e2d3c4b5a"


def _leading_int(text: str) -> tuple[int | None, str]:
    """time.leadingInt: None for an overflow."""
    value, end = 0, 0
    while end < len(text) and "0" <= text[end] <= "9":
        if value > _TOP // 10:
            return None, text
        value = value * 10 + int(text[end])
        if value > _TOP:
            return None, text
        end += 1
    return value, text[end:]


def _leading_fraction(text: str) -> tuple[int, float, str]:
    """time.leadingFraction."""
    value, scale, end, overflow = 0, 1.0, 0, False
    while end < len(text) and "0" <= text[end] <= "9":
        if not overflow:
            if value > (_TOP - 1) // 10:
                overflow = True
            else:
                digit = value * 10 + int(text[end])
                overflow = digit > _TOP
                if not overflow:
                    value, scale = digit, scale * 10
        end += 1
    return value, scale, text[end:]


def _go(text: str) -> int | None:  # noqa: PLR0911 - it follows time.ParseDuration line by line
    """What Go 1.26's time.ParseDuration gives; None for an error. Never for a minus sign, which nothing here has."""
    text = text.removeprefix("+")
    if text == "0":
        return 0
    if not text:
        return None
    total = 0
    while text:
        if not (text[0] == "." or "0" <= text[0] <= "9"):
            return None
        length = len(text)
        whole, text = _leading_int(text)
        if whole is None:
            return None
        has_whole, has_fraction, fraction, scale = length != len(text), False, 0, 1.0
        if text.startswith("."):
            length = len(text) - 1
            fraction, scale, text = _leading_fraction(text[1:])
            has_fraction = length != len(text)
        matched = re.match(r"[^.0-9]*", text)
        unit = matched[0] if matched else ""
        if not (has_whole or has_fraction) or unit not in _UNITS or whole > _TOP // _UNITS[unit]:
            return None
        text = text[len(unit) :]
        value = whole * _UNITS[unit]
        if fraction > 0:
            value += int(float(fraction) * (float(_UNITS[unit]) / scale))
        total += value
        if value > _TOP or total > _TOP:
            return None
    return total if total < _TOP else None


def _ours(text: str) -> int | ValueError:
    try:
        return parse_nanoseconds(text)
    except ValueError as error:
        return error


@IN_SECONDS
@given(texts)
@example("1.9223372036854775808h")
@example("15\x00\U0010ffff" + "\u07b2" * 500)
def test_a_duration_is_what_go_makes_of_it(text: str) -> None:
    """To the nanosecond, and an error where Go has one."""
    expected, found = _go(text), _ours(text)
    if isinstance(found, ValueError):
        assert expected is None
        assert "such as 15s" in str(found)
        assert len(str(found)) < 400
        return
    assert found == expected
    if found < 10**15:
        assert abs(parse_duration(format_duration(found / 1e9)) - found / 1e9) <= 0.5


_values: Final = (
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.sampled_from([UUID, UUID.upper(), "Observed"])
)
_json: Final = st.recursive(
    _values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
specs: Final = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("accountID", "appID", "backupID"), st.just(UUID) | st.just(UUID.upper()) | _json),
        "secretRef": st.fixed_dictionaries({}, optional={"name": st.text(max_size=300)}) | _json,
        "interval": texts | _json,
        "suspend": st.booleans() | _json,
        "readyWhen": st.sampled_from(["Completed", "Observed", "Never"]) | _json,
        "x": _json,
    },
)


@IN_SECONDS
@given(specs | _json)
def test_any_spec_is_read_or_named_in_words(spec: object) -> None:
    """The failure is InvalidSpec, in a message that is short enough for a condition."""
    read = read_spec(AppBackupRefSpec, spec)
    if isinstance(read, Failed):
        assert read.reason is SyncReason.INVALID_SPEC
        assert read.message.startswith("The spec cannot be read: spec")
        assert len(read.message) <= 1024
        return
    assert isinstance(spec, dict)
    assert [read.account_id, read.app_id, read.backup_id] == [
        spec[key].lower() for key in ("accountID", "appID", "backupID")
    ]
    if isinstance(spec.get("interval"), str):
        assert read.interval == (_go(spec["interval"]) or 0) / 1e9
