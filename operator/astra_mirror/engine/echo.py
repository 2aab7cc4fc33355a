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


def counts_as_listed(known: Tracked | None, listed_at: float | None) -> bool:
    """Whether a listed object counts even if its version is lower, as after a restore of the cluster from a backup.

    It does not if the known version was seen after the list had been requested, above all in the response to our own
    write: then the list is the older of the two.
    """
    return listed_at is not None and (known is None or known.texts.seen_at <= listed_at)


def own_answer(known: Tracked, body: Mapping[str, Any], now: float) -> Tracked:
    """Take in the response to our own write.

    Its status does not count as somebody else's change, even if the API server has altered it.
    """
    return known.but(texts=texts.seen(known.texts, body, now)) if is_news(known, body["metadata"]) else known
