"""The order of the requests that wait for one connection."""

from collections.abc import Container

from astra_mirror.core.fair import Path
from astra_mirror.engine.connection.waiting import Waiting
from tests.engine.connection.lanes import Remote


class _All(Container[Path]):
    """Every path is admitted."""

    def __contains__(self, _: object) -> bool:
        return True


async def test_what_goes_ahead_of_all_others_does_so_by_turns_over_namespaces() -> None:
    """One namespace may have any number of such requests; those of one go in their order."""
    remote, waiting = Remote(), Waiting()
    many = [remote.read(str(number), namespace="many").request for number in range(3)]
    one, last = remote.read("x", namespace="one").request, remote.read("y", namespace="one").request
    waiting.put(last)
    for each in (*many, one):
        waiting.put(each, first=True)
    assert len(waiting) == 5
    assert waiting.take_first({many[2]}) is many[2]
    assert [waiting.take(_All()) for _ in range(4)] == [many[0], one, many[1], last]
    assert waiting.take(_All()) is None
