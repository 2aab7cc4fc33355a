"""Which objects a list response covers: those that wait for it, and those that were not due yet but are in it.

Time passes between the request and its fan-out, so each object is checked again when it is processed.
"""

from collections.abc import Iterator, Mapping, Sequence

from astra_mirror.core.outcome import WHOLE, Answer, Known, Listed, Unchanged
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.requests import ListRequest
from astra_mirror.engine.state.tracked import Tracked


def named_by(request: ListRequest, objects: Objects) -> Sequence[Tracked]:
    """The objects whose backup the list may contain."""
    account, app = request.collection
    return objects.index.of_account(account) if app is None else objects.index.of_app(account, app)


def is_covered(request: ListRequest, tracked: Tracked, objects: Objects, *, is_waiting: bool) -> bool:
    """Whether the answer counts for the object as it is now. `is_waiting`: whether the object waits for it."""
    account, app = request.collection
    spec = tracked.spec
    if spec.account_id != account:
        return False
    is_of_list = tracked.cache.is_of_named_app and not spec.reads_list if app is None else spec.app_id == app
    return is_of_list and (is_waiting or objects.is_free(request.connection, tracked))


def known_of(request: ListRequest, objects: Objects) -> Known:
    """The digests of the backups that the list may contain, so that only changed items are parsed."""
    lists = {tracked.cache.list_if_current for tracked in objects.waiting(request)}
    return Known(_Documents(request, objects), lists.pop() if len(lists) == 1 else None)


class _Documents(Mapping[str, int | None]):
    """The digests of the documents, found out when they are first asked for, which an unchanged list does not."""

    def __init__(self, request: ListRequest, objects: Objects) -> None:
        self._request = request
        self._objects = objects
        self._known: dict[str, int | None] | None = None

    def __getitem__(self, backup_id: str) -> int | None:
        return self._all()[backup_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __contains__(self, backup_id: object) -> bool:
        if self._known is None and backup_id == WHOLE:
            return any(self._is_covered(each) for each in self._readers())
        return backup_id in self._all()

    def _readers(self) -> Sequence[Tracked]:
        account, app = self._request.collection
        return () if app is None else self._objects.index.readers(account, app)

    def _is_covered(self, tracked: Tracked) -> bool:
        has_waited = self._objects.waits_for(tracked.uid, self._request)
        return is_covered(self._request, tracked, self._objects, is_waiting=has_waited)

    def _all(self) -> dict[str, int | None]:
        if self._known is None:
            known = self._known = {}
            for tracked in named_by(self._request, self._objects):
                if self._is_covered(tracked):
                    backup, digest = tracked.spec.backup_id, tracked.cache.document_digest
                    is_same = known.get(backup, digest) == digest
                    known[backup] = digest if is_same else None
        return self._known


def is_news(tracked: Tracked, found: Answer, answer: Listed, started: float) -> bool:
    """Whether the answer to a request sent at `started` says anything new about an object that did not wait for it."""
    if tracked.polling.last_request_at > started:
        return False
    if not isinstance(found, Unchanged):
        return True
    # An unchanged list was not parsed: it confirms only objects whose current document came from it.
    is_known = tracked.cache.document_digest is not None
    return is_known and (answer.size is not None or tracked.cache.list_digest == answer.digest)
