"""All objects, by uid, by account and app, and by Secret."""

from collections.abc import Iterator
from itertools import chain

from astra_mirror.engine.state.tracked import Tracked

Uids = dict[str, None]


class Index:
    """The current state of each object. Objects whose spec cannot be read are indexed by uid only."""

    def __init__(self) -> None:
        self._objects: dict[str, Tracked] = {}
        self._by_app: dict[str, dict[str, Uids]] = {}
        self._by_secret: dict[tuple[str, str], Uids] = {}

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

    def of_secret(self, namespace: str, name: str) -> list[Tracked]:
        """The objects that use this Secret."""
        return self._of(self._by_secret.get((namespace, name), {}))

    def _of(self, uids: "Iterator[str] | Uids") -> list[Tracked]:
        objects = self._objects
        return [objects[uid] for uid in uids]

    def apps(self, account: str) -> int:
        """How many apps of this account are named."""
        return len(self._by_app.get(account, {}))

    def secrets(self) -> set[tuple[str, str]]:
        """The Secrets in use, by namespace and name."""
        return set(self._by_secret)

    def put(self, tracked: Tracked) -> None:
        """Add an object, or replace its state."""
        old = self._objects.get(tracked.uid)
        self._objects[tracked.uid] = tracked
        if old is not None and old.desire.spec is tracked.desire.spec:
            return
        if old is not None:
            self._leave(old)
        if tracked.desire.is_readable:
            spec = tracked.spec
            apps = self._by_app.setdefault(spec.account_id, {})
            apps.setdefault(spec.app_id, {})[tracked.uid] = None
            self._by_secret.setdefault((tracked.namespace, spec.secret_name), {})[tracked.uid] = None

    def remove(self, uid: str) -> Tracked | None:
        """Remove an object. Returns its last state, or None if it was not indexed."""
        old = self._objects.pop(uid, None)
        if old is not None:
            self._leave(old)
        return old

    def _leave(self, old: Tracked) -> None:
        if not old.desire.is_readable:
            return
        account, app = old.spec.account_id, old.spec.app_id
        apps = self._by_app[account]
        del apps[app][old.uid]
        if not apps[app]:
            del apps[app]
        if not apps:
            del self._by_app[account]
        secret = old.namespace, old.spec.secret_name
        del self._by_secret[secret][old.uid]
        if not self._by_secret[secret]:
            del self._by_secret[secret]
