"""A list that is kept is delivered again only if it is the one that has not changed."""

from datetime import UTC, datetime
from typing import Any

import pytest

from astra_mirror.core.connection import Connection
from astra_mirror.core.monitor.listing import ListRead, WholeList
from astra_mirror.core.outcome import WHOLE, Known, Listed, Unchanged
from astra_mirror.core.request_plan import Collection
from astra_mirror.core.urls import BaseURL
from astra_mirror.engine.monitors.remote import ListKeeper
from astra_mirror.engine.ports import Clocks

CONNECTION = Connection(BaseURL.parse("https://acc.example.com"), "a-long-token")
APP = Collection("account", "app")
OLD, NEW = WholeList(1, (), digest=1), WholeList(2, (), digest=2)


class Remote:
    """A server whose list has this digest: what is known to have it is not parsed again."""

    def __init__(self) -> None:
        self.whole = OLD

    async def list_backups(self, _: Connection, __: Collection, known: Known, *, namespace: str) -> Listed:
        """The list."""
        del namespace
        is_same = known.list_digest == self.whole.digest
        found: Any = {WHOLE: Unchanged() if is_same else self.whole} if WHOLE in known.documents else {}
        return Listed(self.whole.digest, found, None if is_same else self.whole.total)


@pytest.fixture
def remote() -> Remote:
    """The server."""
    return Remote()


@pytest.fixture
def lists(remote: Remote) -> ListKeeper:
    """It, with its lists kept."""
    server: Any = remote
    return ListKeeper(server, Clocks(lambda: 0.0, lambda: datetime(2026, 11, 27, tzinfo=UTC), lambda: 0.5), 10.0)


async def _read(lists: ListKeeper, digest: int | None) -> ListRead:
    """What a monitor is given while those that wait for the list know one with that digest."""
    listed = await lists.list_backups(CONNECTION, APP, Known({WHOLE: None}, digest), namespace="ns")
    assert isinstance(listed, Listed)
    found = listed.found[WHOLE]
    assert isinstance(found, ListRead)
    return found


async def test_an_unchanged_list_is_the_one_that_is_kept(lists: ListKeeper) -> None:
    """As long as a monitor remembers it; after that it is parsed."""
    read = await _read(lists, None)
    assert (await _read(lists, OLD.digest)).whole is read.whole


async def test_a_list_that_refs_alone_have_read_is_parsed(lists: ListKeeper, remote: Remote) -> None:
    """To them it is unchanged, but what is kept is the one before."""
    read = await _read(lists, None)
    remote.whole = NEW
    await lists.list_backups(CONNECTION, APP, Known({"a": None}), namespace="ns")
    assert read.whole is OLD
    assert (await _read(lists, NEW.digest)).whole is NEW
