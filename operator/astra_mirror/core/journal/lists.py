"""What the log says of lists: that one is given up, because it fails where single requests do not, and taken up again.

A list that is given up is tried from time to time. It is taken up again when it has succeeded, not when it is tried.
"""

from collections.abc import Iterator

from astra_mirror.core.request_plan import Collection


class ListJournal:
    """The lists of one connection that were said to be given up."""

    def __init__(self) -> None:
        self._given_up: set[Collection] = set()

    def __iter__(self) -> Iterator[Collection]:
        return iter(list(self._given_up))

    def is_given_up(self, collection: Collection) -> bool:
        """Whether it was said to be."""
        return collection in self._given_up

    def said(self, collection: Collection, *, is_given_up: bool) -> None:
        """Record what was said of a list."""
        if is_given_up:
            self._given_up.add(collection)
        else:
            self._given_up.discard(collection)

    def retain(self, collections: set[Collection]) -> None:
        """Keep only these, without a word: nobody uses the others any more."""
        self._given_up &= collections
