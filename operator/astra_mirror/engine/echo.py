"""Tells a new version of an object from the echo of our own write.

The version in the response to our PATCH is stored before the response is processed further. A watch or a list that
shows that version, or an older one, then brings nothing new.
"""

from collections.abc import Mapping
from typing import Any

from astra_mirror.engine.state import texts
from astra_mirror.engine.state.tracked import Tracked


def is_news(known: Tracked | None, metadata: Mapping[str, Any]) -> bool:
    """Whether this version of an object has not been seen yet, neither earlier nor in the response to our own write."""
    return known is None or texts.is_newer(metadata["resourceVersion"], known.texts.resource_version)


def own_answer(known: Tracked, body: Mapping[str, Any]) -> Tracked:
    """Take in the response to our own write.

    Its status does not count as somebody else's change, even if the API server has altered it.
    """
    return known.but(texts=texts.seen(known.texts, body)) if is_news(known, body["metadata"]) else known
