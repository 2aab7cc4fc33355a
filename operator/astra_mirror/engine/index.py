"""All refs, by uid and by what they observe: an answer for an app or an account serves every ref of it."""

from collections.abc import Iterator
from itertools import chain

from astra_mirror.engine.ref import Ref


class Refs:
    """The refs that are polled. A ref is taken out before its spec is replaced, and put back."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Ref] = {}
        self._unreadable: dict[str, Ref] = {}
        self._by_app: dict[str, dict[str, dict[str, Ref]]] = {}
        self._by_secret: dict[tuple[str, str], dict[str, Ref]] = {}

    def __iter__(self) -> Iterator[Ref]:
        """The refs that are polled."""
        return iter(self._by_uid.values())

    def get(self, uid: str) -> Ref | None:
        """The ref with that uid, polled or unreadable."""
        return self._by_uid.get(uid) or self._unreadable.get(uid)

    def unreadable(self) -> list[Ref]:
        """The refs whose spec cannot be read: they have a status and are never polled."""
        return list(self._unreadable.values())

    def is_polled(self, ref: Ref) -> bool:
        """Whether `ref` is here, and its spec can be read."""
        return self._by_uid.get(ref.uid) is ref

    def add_unreadable(self, ref: Ref) -> None:
        """Take a ref in that has a status only."""
        self._unreadable[ref.uid] = ref

    def of_app(self, account: str, app: str) -> list[Ref]:
        """The refs that name this app."""
        return list(self._by_app.get(account, {}).get(app, {}).values())

    def of_account(self, account: str) -> list[Ref]:
        """The refs that name this account."""
        return list(chain.from_iterable(refs.values() for refs in self._by_app.get(account, {}).values()))

    def apps(self, account: str) -> int:
        """How many apps of this account are named."""
        return len(self._by_app.get(account, {}))

    def secrets(self) -> set[tuple[str, str]]:
        """The Secrets in use, by namespace and name."""
        return set(self._by_secret)

    def of_secret(self, namespace: str, name: str) -> list[Ref]:
        """The refs that use this Secret."""
        return list(self._by_secret.get((namespace, name), {}).values())

    def add(self, ref: Ref) -> None:
        """Take a ref in."""
        self._by_uid[ref.uid] = ref
        apps = self._by_app.setdefault(ref.spec.account_id, {})
        apps.setdefault(ref.spec.app_id, {})[ref.uid] = ref
        self._by_secret.setdefault((ref.namespace, ref.spec.secret_ref.name), {})[ref.uid] = ref

    def remove(self, ref: Ref) -> None:
        """Let a ref go; does nothing to one that is not here."""
        if self._unreadable.get(ref.uid) is ref:
            del self._unreadable[ref.uid]
        if self._by_uid.get(ref.uid) is not ref:
            return
        del self._by_uid[ref.uid]
        account, app = ref.spec.account_id, ref.spec.app_id
        apps = self._by_app[account]
        del apps[app][ref.uid]
        if not apps[app]:
            del apps[app]
        if not apps:
            del self._by_app[account]
        secret = ref.namespace, ref.spec.secret_ref.name
        del self._by_secret[secret][ref.uid]
        if not self._by_secret[secret]:
            del self._by_secret[secret]
