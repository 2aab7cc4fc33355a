"""All that tells the engine of the objects of one kind: a watch for each scope, and the periodic list."""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from astra_mirror.api.meta import Names
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.endpoint import Endpoint
from astra_mirror.cluster.feed import Engine, Feed
from astra_mirror.cluster.object_list import latest_version
from astra_mirror.cluster.periodic_list import Objects, PeriodicList
from astra_mirror.cluster.watch import Watch
from astra_mirror.core.journal.kinds import KindJournal


class Informer:
    """The informer of one kind.

    Args:
        names: what the kind is called.
        endpoint: the API server.
        availability: whether the API server is away.
        objects: reads single objects.
        namespaces: the namespaces that are watched; all of them if there are none.
        engine: the engine's entrance for the kind.
        kopf_started: called after each start of Kopf, because Kopf replaces the signal handlers.
    """

    def __init__(
        self,
        names: Names,
        endpoint: Endpoint,
        availability: Availability,
        *,
        objects: Objects,
        namespaces: Sequence[str],
        engine: Engine,
        kopf_started: Callable[[], None],
    ) -> None:
        self._names = names
        self._endpoint = endpoint
        self._scopes: tuple[str | None, ...] = tuple(namespaces) or (None,)
        feed = Feed(engine)
        journal = KindJournal(names.several, names.crd)
        self._watches = [
            Watch(names, endpoint, availability, scope, feed, kopf_started=kopf_started, journal=journal)
            for scope in self._scopes
        ]
        self._periodic_list = PeriodicList(
            names,
            api=endpoint,
            availability=availability,
            objects=objects,
            namespaces=namespaces,
            feed=feed,
            engine=engine,
        )

    @property
    def not_ready_reason(self) -> str | None:
        """What has not been listed or is not watched yet; None when all is."""
        return next((each.not_ready_reason for each in self._watches if each.not_ready_reason), None)

    def tasks(self) -> Iterator[tuple[Coroutine[Any, Any, None], str]]:
        """What has to run, each with its name in the log."""
        yield self._periodic_list.run(), "periodic list"
        for watch in self._watches:
            yield watch.run(), "watch"

    async def latest_version(self) -> str | None:
        """The resourceVersion at present: no object has a newer one. None if it cannot be read."""
        return await latest_version(self._endpoint, self._names, self._scopes[0])
