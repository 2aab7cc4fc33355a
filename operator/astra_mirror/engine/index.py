"""All objects, by uid, by account and app, and by Secret."""

from collections.abc import Iterable, Iterator
from itertools import chain

from astra_mirror.engine.state.tracked import Tracked

Uids = dict[str, None]


class Index:
    """The current state of each object. Objects whose spec cannot be read are indexed by uid only."""

    def __init__(self) -> None:
        self._objects: dict[str, Tracked] = {}
        # Each with the time from which it shares a request: to find those few among thousands, no object is read.
        self._by_app: dict[str, dict[str, dict[str, float]]] = {}
        self._by_secret: dict[tuple[str, str], Uids] = {}
        self._readers: dict[tuple[str, str], Uids] = {}

    def __iter__(self) -> Iterator[Tracked]:
        """All objects."""
        return iter(list(self._objects.values()))

    def __contains__(self, uid: str) -> bool:
        return uid in self._objects

    def get(self, uid: str) -> Tracked | None:
        """The object with that uid."""
        return self._objects.get(uid)

    def of_app(self, account: str, app: str) -> list[Tracked]:
        """The objects that name this app."""
        return self._of(self._by_app.get(account, {}).get(app, {}))

    def of_account(self, account: str) -> list[Tracked]:
        """The objects that name this account."""
        return self._of(chain.from_iterable(self._by_app.get(account, {}).values()))

    def readers(self, account: str, app: str) -> list[Tracked]:
        """The objects that read the list of this app themselves."""
        return self._of(self._readers.get((account, app), {}))

    def of_secret(self, namespace: str, name: str) -> list[Tracked]:
        """The objects that use this Secret."""
        return self._of(self._by_secret.get((namespace, name), {}))

    def sharing(self, account: str, app: str, now: float) -> list[str]:
        """The objects that name this app and may share a request now, whether they are due or not."""
        return [uid for uid, since in self._by_app.get(account, {}).get(app, {}).items() if since < now]

    def _of(self, uids: Iterable[str]) -> list[Tracked]:
        objects = self._objects
        return [objects[uid] for uid in uids]

    def apps(self, account: str) -> list[str]:
        """The apps of this account that are named."""
        return list(self._by_app.get(account, {}))

    def secrets(self) -> set[tuple[str, str]]:
        """The Secrets in use, by namespace and name."""
        return set(self._by_secret)

    def put(self, tracked: Tracked) -> None:
        """Add an object, or replace its state."""
        old = self._objects.get(tracked.uid)
        self._objects[tracked.uid] = tracked
        is_same = old is not None and old.desire.spec is tracked.desire.spec
        if old is not None and not is_same:
            self._leave(old)
        if not tracked.desire.is_readable:
            return
        spec = tracked.spec
        apps = self._by_app.setdefault(spec.account_id, {})
        apps.setdefault(spec.app_id, {})[tracked.uid] = tracked.shares_from
        if is_same:
            return
        self._by_secret.setdefault((tracked.namespace, spec.secret_name), {})[tracked.uid] = None
        if spec.reads_list:
            self._readers.setdefault((spec.account_id, spec.app_id), {})[tracked.uid] = None

    def remove(self, uid: str) -> Tracked | None:
        """Remove an object. Returns its last state, or None if it was not indexed."""
        old = self._objects.pop(uid, None)
        if old is not None:
            self._leave(old)
        return old

    def _leave(self, old: Tracked) -> None:
        if not old.desire.is_readable:
            return
        uid, account, app = old.uid, old.spec.account_id, old.spec.app_id
        apps = self._by_app[account]
        del apps[app][uid]
        if not apps[app]:
            del apps[app]
        if not apps:
            del self._by_app[account]
        _discard(self._by_secret, (old.namespace, old.spec.secret_name), uid)
        if old.spec.reads_list:
            _discard(self._readers, (account, app), uid)


def _discard(index: dict[tuple[str, str], Uids], key: tuple[str, str], uid: str) -> None:
    del index[key][uid]
    if not index[key]:
        del index[key]
