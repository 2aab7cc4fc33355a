"""Three wishes a minute are granted at once, later ones every ten seconds."""

from astra_mirror.core.throttle import Throttle


def _grants(*wishes: float) -> list[float]:
    throttle, granted = Throttle(), []
    for wish in wishes:
        at, throttle = throttle.grant(wish)
        granted.append(at)
    return granted


def test_three_at_once_then_every_ten_seconds() -> None:
    """The fourth within a minute waits for ten seconds since the third."""
    assert _grants(0, 1, 2, 3, 13, 23) == [0, 1, 2, 12, 22, 32]


def test_a_quiet_minute_gives_them_back() -> None:
    """A minute after the first, one is granted at once again."""
    assert _grants(0, 1, 2, 60, 60.5) == [0, 1, 2, 60, 70]
