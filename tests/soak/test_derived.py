"""A rate that goes back and forth is seen, one that is measured anew is not."""

from typing import Any

from dev.soak.derived import check
from dev.soak.history import Version


def _versions(*progress: dict[str, Any]) -> list[Version]:
    return [
        Version(
            float(number),
            {
                "metadata": {"namespace": "a", "name": "b", "resourceVersion": str(number)},
                "status": {"state": "running", "progress": each},
            },
            follows=number > 0,
        )
        for number, each in enumerate(progress)
    ]


def test_two_rates_in_turn() -> None:
    """As two operators write them that do not take each other's."""
    mine, other = ({"bytesDone": 7, "totalBytes": 9, "bytesPerSecond": each} for each in (1, 2))
    found = check([_versions(mine, other, mine, other)])
    assert [each.subject for each in found] == ["a/b"]
    assert check([_versions(mine, other, mine, other)], {"1", "3"}) == [], "somebody else meddles with it"


def test_a_rate_of_a_new_observation() -> None:
    """Once both have seen the other's they stay."""
    first = [{"bytesDone": each, "totalBytes": 9, "bytesPerSecond": each} for each in range(6)]
    assert check([_versions(*first)]) == []
    late = {"bytesDone": 7, "totalBytes": 9, "bytesPerSecond": 3}
    assert check([_versions({**late, "bytesPerSecond": 1}, {**late, "bytesPerSecond": 2}, late, late, late)]) == []
