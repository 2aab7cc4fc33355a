"""Digests of the last answers, so that an unchanged answer is not parsed again."""

from typing import Final, NamedTuple


class Cache(NamedTuple):
    """What is remembered of the remote's answers about one object's backup.

    Attributes:
        document_digest: of the document that the desired status shows; None if the next one must be parsed in any case.
        list_digest: of the list that contained the document; None if it was in none.
        is_of_named_app: whether an answer has confirmed that the backup belongs to the app that the object names.
        not_in_lists_until: until when lists are not expected to contain the backup, in monotonic seconds.
    """

    document_digest: int | None = None
    list_digest: int | None = None
    is_of_named_app: bool = False
    not_in_lists_until: float = 0.0

    @property
    def list_if_current(self) -> int | None:
        """The digest of the list, if its document is the one that the desired status shows."""
        return self.list_digest if self.document_digest is not None else None


EMPTY: Final = Cache()


def inherited(*, is_of_named_app: bool) -> Cache:
    """The cache of an object whose status another process wrote."""
    return Cache(is_of_named_app=True) if is_of_named_app else EMPTY


def confirmed(cache: Cache, *, is_of_named_app: bool) -> Cache:
    """Another actual status was adopted, which says whether the app is confirmed."""
    return cache._replace(is_of_named_app=is_of_named_app)


def invalidated(cache: Cache) -> Cache:
    """The next answer must be parsed, even if it is unchanged."""
    if cache.document_digest is None and cache.list_digest is None:
        return cache
    return cache._replace(document_digest=None, list_digest=None)


def answered(
    cache: Cache, digest: int | None, *, is_of_named_app: bool | None, list_digest: int | None = None
) -> Cache:
    """A new answer was parsed.

    Args:
        cache: what was remembered before.
        digest: of the document that describes the backup; None if the answer is not one.
        is_of_named_app: what the answer says about the app; None if it says nothing.
        list_digest: of the list that contained the document; None if it was in none.
    """
    confirmed = cache.is_of_named_app if is_of_named_app is None else is_of_named_app
    return cache._replace(document_digest=digest, list_digest=list_digest, is_of_named_app=confirmed)


def found_in_list(cache: Cache, digest: int) -> Cache:
    """The document that the desired status shows was in a list with this digest."""
    if cache.document_digest is None or cache.list_digest == digest:
        return cache
    return cache._replace(list_digest=digest)


def missing_in_list(cache: Cache, until: float) -> Cache:
    """A list lacked the backup: the next lists are not expected to contain it."""
    return cache._replace(not_in_lists_until=until)
