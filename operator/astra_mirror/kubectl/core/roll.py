"""The roll of the objects that a command is about, as its watches report them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from astra_mirror.kubectl.core.names import Key
from astra_mirror.kubectl.core.observed import Changed, Left, Lost, Observation, Query, Reached
from astra_mirror.kubectl.core.seen import Seen
from astra_mirror.kubectl.core.verdicts import GONE, UNREAD, Outcome, Verdict, judge, missing, unreachable


@dataclass(frozen=True, slots=True)
class Entry:
    """One object: as last seen, or None before; and whether that very object was deleted since."""

    seen: Seen | None = None
    is_gone: bool = False


class Roll:
    """The objects of some queries.

    Args:
        queries: those.
        named: the objects that are on the roll although nobody has seen them.
    """

    def __init__(self, queries: Iterable[Query], named: Iterable[Key] = ()) -> None:
        self._troubles: dict[Query, str | None] = dict.fromkeys(queries)
        self._unread = set(self._troubles)
        self._entries: dict[Key, Entry] = {key: Entry() for key in named}

    @property
    def entries(self) -> Mapping[Key, Entry]:
        """All that are on the roll."""
        return self._entries

    @property
    def is_read(self) -> bool:
        """Whether each query was answered once."""
        return not self._unread

    @property
    def troubles(self) -> Iterator[str]:
        """Why queries are not answered at present."""
        return (text for text in dict.fromkeys(self._troubles.values()) if text is not None)

    def take(self, observation: Observation) -> None:
        """Note what a watch has reported."""
        match observation:
            case Changed(seen=seen):
                self._entries[seen.key] = self._changed(seen)
            case Left(key=key, is_deleted=True):
                before = self._entries.get(key, Entry())
                self._entries[key] = Entry(before.seen, is_gone=True)
            case Left(key=key):
                self._entries.pop(key, None)
            case Reached(query=query):
                self._troubles[query] = None
                self._unread.discard(query)
            case Lost(query=query, text=text):
                self._troubles[query] = text

    def verdicts(self, now: datetime) -> dict[Key, Verdict]:
        """What has become of each; where there are none but should be, of the first query as a whole."""
        if not self._entries:
            return dict([self._of_nothing()])
        return {key: self._verdict(key, entry, now) for key, entry in self._entries.items()}

    def _changed(self, seen: Seen) -> Entry:
        """The entry of an object; one that was deleted and made again is still the deleted one."""
        before = self._entries.get(seen.key)
        if before is None or before.seen is None:
            return Entry(seen, is_gone=before is not None and before.is_gone)
        return Entry(seen, is_gone=before.is_gone or before.seen.uid != seen.uid)

    def unknown(self, key: Key) -> Verdict | None:
        """Why nothing can be said of an object at present; None if something can."""
        entry = self._entries.get(key, Entry())
        query = next(each for each in self._troubles if each.covers(key))
        trouble = self._troubles[query]
        if entry.is_gone:
            return GONE
        if trouble is not None:
            return unreachable(trouble)
        if query in self._unread:
            return UNREAD
        return missing(key) if entry.seen is None else None

    def _verdict(self, key: Key, entry: Entry, now: datetime) -> Verdict:
        unknown = self.unknown(key)
        if entry.seen is None or entry.is_gone:
            return unknown or UNREAD
        # What has been decided stands while the API server is away.
        known = judge(entry.seen, now)
        is_decided = known.outcome in {Outcome.SUCCEEDED, Outcome.FAILED}
        return known if is_decided else unknown or known

    def _of_nothing(self) -> tuple[Key, Verdict]:
        """What is said where nothing matches: something may appear."""
        query = next(iter(self._troubles))
        key = Key(query.kind, query.namespace or "all", f"-l {query.selector}")
        trouble = self._troubles[query]
        if trouble is not None:
            return key, unreachable(trouble)
        where = "any namespace" if query.namespace is None else f"the namespace {query.namespace}"
        text = f"no {query.kind.word} in {where} has these labels"
        return key, UNREAD if query in self._unread else Verdict(Outcome.UNDECIDED, "NotFound", text)
