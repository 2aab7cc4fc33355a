"""Whether a version of an object is new, or the echo of an own write: the one place where that is recognised.

The answer to an own PATCH is taken in before anything else is. What the watch and the lists show of that version, or of
an older one, is then no news.
"""

from collections.abc import Mapping
from typing import Any

from astra_mirror.engine.state import texts
from astra_mirror.engine.state.tracked import Tracked


def is_news(known: Tracked | None, metadata: Mapping[str, Any]) -> bool:
    """Whether this version of an object has not been seen yet: neither before, nor as the answer to an own write."""
    return known is None or texts.is_newer(metadata["resourceVersion"], known.texts.resource_version)


def own_answer(known: Tracked, body: Mapping[str, Any]) -> Tracked:
    """An own write was accepted: its answer is no change by somebody else, whatever it says."""
    return known.but(texts=texts.seen(known.texts, body)) if is_news(known, body["metadata"]) else known
