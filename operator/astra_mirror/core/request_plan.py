"""Which requests to make for the refs that are due: the app's list, the account's list, or one for each backup.

The cheapest plan is chosen. The unit of cost is one request for one backup, and an item of a list costs a hundredth of
that: docs/performance.md has the measurement. A list contains every backup of its app or account, so refs that will be
due soon share it: they are polled early, and are due together from then on.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from astra_mirror.core.list_fallback import is_refusal
from astra_mirror.core.outcome import Failed

ITEM_COST: Final = 0.01
AVOID_SECONDS: Final = 15 * 60.0
"""How long an unusable list is not requested again."""
_MAX_REMEMBERED: Final = 20_000
_BREAKS_WITHIN: Final = 2.0
"""Seconds. A list that fails within this time may have met a broken connection; a later failure is the list's own."""


class Document(NamedTuple):
    """The document of one backup, by the IDs in its path. They are in lower case."""

    account_id: str
    app_id: str
    backup_id: str


class Collection(NamedTuple):
    """The backups of an app, or of the whole account if `app` is None. IDs are in lower case."""

    account: str
    app: str | None


class Want(NamedTuple):
    """A ref that is due, or will be soon.

    `in_lists`: no list lacked it lately. `in_account`: its backup is known to belong to the app that it names. The
    items of an account's list do not name the app, and a ref to another app's backup must not get its result there.
    `reads_list`: it reads the list of its app itself, and no other request can take the place of that.
    """

    key: str
    account: str
    app: str
    due: bool = True
    in_lists: bool = True
    in_account: bool = True
    reads_list: bool = False


@dataclass(frozen=True, slots=True)
class Single:
    """The request for one ref's backup."""

    key: str


@dataclass(frozen=True, slots=True)
class ListOf:
    """One request for all of `keys`."""

    collection: Collection
    keys: tuple[str, ...]


class Attempt(NamedTuple):
    """A list request that failed; the times are monotonic seconds."""

    collection: Collection
    started: float
    ended: float
    failure: Failed


class Catalog:
    """What is known of the lists on one connection: their sizes, and which of them are unusable."""

    def __init__(self) -> None:
        self._sizes: dict[Collection, int] = {}
        self._suspected: dict[Collection, float] = {}
        self._avoided: dict[Collection, float] = {}

    def learn(self, collection: Collection, size: int | None) -> None:
        """Record that the list request succeeded, and its number of items; None for a response that was not parsed."""
        self._suspected.pop(collection, None)
        if size is None:
            return
        if len(self._sizes) >= _MAX_REMEMBERED:
            self._sizes.clear()
        self._sizes[collection] = size

    def suspect(self, attempt: Attempt, until: float) -> None:
        """Record that a list request failed although the request for one backup did not.

        A first quick failure may be due to a broken connection, which ends all lists in flight on it. A list is avoided
        until `until` if it was rejected, if it took long to fail, or if it fails again when requested anew.
        """
        collection = attempt.collection
        first = self._suspected.get(collection)
        if (
            is_refusal(attempt.failure)
            or attempt.ended - attempt.started >= _BREAKS_WITHIN
            or (first is not None and attempt.started >= first)
        ):
            self.avoid(collection, until)
        if first is None:
            if len(self._suspected) >= _MAX_REMEMBERED:
                self._suspected.clear()
            self._suspected[collection] = attempt.ended

    def avoid(self, collection: Collection, until: float) -> None:
        """Do not plan this list before `until`, in monotonic seconds."""
        if len(self._avoided) >= _MAX_REMEMBERED:
            self._avoided.clear()
        self._avoided[collection] = until

    def is_usable(self, collection: Collection, now: float) -> bool:
        """Whether the list may be planned."""
        return self._avoided.get(collection, now) <= now

    def cost(self, collection: Collection, at_least: int) -> float:
        """The expected cost of the list; while its size is unknown, it is assumed to be `at_least`."""
        return 1 + ITEM_COST * max(self._sizes.get(collection, 0), at_least)


def plan(wants: Iterable[Want], catalog: Catalog, now: float) -> list[Single | ListOf]:
    """The requests for all refs that are due; each ref is in exactly one of them."""
    accounts: defaultdict[str, defaultdict[str, list[Want]]] = defaultdict(lambda: defaultdict(list))
    read: dict[tuple[str, str], None] = {}
    for want in wants:
        accounts[want.account][want.app].append(want)
        if want.reads_list and want.due:
            read[want.account, want.app] = None
    requests: list[Single | ListOf] = []
    for account, app in read:
        # This list is requested in any case: the refs of the app cost nothing more, unless it will fail them.
        collection, those = Collection(account, app), accounts[account].pop(app)
        if not catalog.is_usable(collection, now):
            accounts[account][app] = [each for each in those if not each.reads_list]
            those = [each for each in those if each.reads_list]
        requests += _plan_app(collection, those, is_listed=True)
    for account, apps in accounts.items():
        requests += _plan_account(account, apps, catalog, now)
    return requests


def _plan_account(account: str, apps: Mapping[str, list[Want]], catalog: Catalog, now: float) -> list[Single | ListOf]:
    collection = Collection(account, None)
    listable = {app: [each for each in wants if each.in_lists and each.in_account] for app, wants in apps.items()}
    due = [each for wants in listable.values() for each in wants if each.due]
    if len(apps) > 1 and due and catalog.is_usable(collection, now):
        apart = sum(_app_cost(Collection(account, app), wants, catalog, now) for app, wants in listable.items())
        if catalog.cost(collection, sum(map(len, listable.values()))) < apart:
            together = ListOf(collection, tuple(each.key for each in due))
            rest = {
                app: [each for each in wants if not (each.in_lists and each.in_account)] for app, wants in apps.items()
            }
            return [together, *_plan_apps(account, rest, catalog, now)]
    return _plan_apps(account, apps, catalog, now)


def _plan_apps(account: str, apps: Mapping[str, list[Want]], catalog: Catalog, now: float) -> list[Single | ListOf]:
    requests: list[Single | ListOf] = []
    for app, wants in apps.items():
        collection = Collection(account, app)
        requests += _plan_app(collection, wants, is_listed=_is_list_cheaper(collection, wants, catalog, now))
    return requests


def _plan_app(collection: Collection, wants: list[Want], *, is_listed: bool) -> list[Single | ListOf]:
    together = tuple(each.key for each in wants if each.due and each.in_lists and is_listed)
    alone = [Single(each.key) for each in wants if each.due and not (each.in_lists and is_listed)]
    return [ListOf(collection, together), *alone] if together else [*alone]


def _app_cost(collection: Collection, wants: list[Want], catalog: Catalog, now: float) -> float:
    if _is_list_cheaper(collection, wants, catalog, now):
        return catalog.cost(collection, len(wants))
    return len(wants)


def _is_list_cheaper(collection: Collection, wants: list[Want], catalog: Catalog, now: float) -> bool:
    listable = sum(each.in_lists for each in wants)
    return catalog.is_usable(collection, now) and catalog.cost(collection, listable) < listable
