"""Which refs a list's answer serves: those that wait for it, and those that were not due yet but are in it.

An answer takes its time, and is handed out in pieces: who is served is looked at anew for each ref.
"""

from collections.abc import Iterator

from astra_mirror.core.outcome import Known, Listed, Observed, Unchanged
from astra_mirror.engine.index import Refs
from astra_mirror.engine.ref import Ref
from astra_mirror.engine.requests import ListRead, Secrets, connection_of


def served_by(read: ListRead, refs: Refs, secrets: Secrets) -> Iterator[Ref]:
    """The refs for which the answer to `read` counts, due or not."""
    account, app = read.collection
    for ref in refs.of_account(account) if app is None else refs.of_app(account, app):
        if is_served(ref, read, secrets):
            yield ref


def is_served(ref: Ref, read: ListRead, secrets: Secrets) -> bool:
    """Whether the answer to `read` counts for `ref` as it is now."""
    account, app = read.collection
    if ref.spec.account_id != account or not (ref.is_of_app if app is None else ref.spec.app_id == app):
        return False
    free = ref.reading is None and not ref.spec.suspend
    return ref.reading is read or (free and connection_of(ref, secrets) == read.connection)


def known_of(read: ListRead, refs: Refs, secrets: Secrets) -> Known:
    """What is known of the backups that the list may have, so that only what is new need be read."""
    documents: dict[str, int | None] = {}
    for ref in served_by(read, refs, secrets):
        digest = ref.digest
        same = documents.get(ref.spec.backup_id, digest) == digest
        documents[ref.spec.backup_id] = digest if same else None
    bodies = {ref.body if ref.digest is not None else None for ref in read.waiting()}
    return Known(documents, bodies.pop() if len(bodies) == 1 else None)


def is_news(ref: Ref, found: Observed | Unchanged, answer: Listed, started: float) -> bool:
    """Whether the answer to a request of `started`, which `ref` did not wait for, says anything new about it."""
    if ref.read_at > started:
        return False
    if isinstance(found, Observed):
        return True
    # An unchanged list was not read: it counts for those who were in it as they are.
    return ref.digest is not None and (answer.size is not None or ref.body == answer.digest)
