"""Manifests as somebody would write them by hand."""

import re
from collections.abc import Mapping
from typing import Any, Final

from astra_mirror.kubectl.core.names import API_VERSION, GROUP, Kind

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_NOT_WRITTEN: Final = (f"{GROUP}/", "kubectl.kubernetes.io/")
"""How the keys of labels and annotations begin that programs put there."""

Manifest = dict[str, Any]


def hand_made(found: Mapping[str, Any]) -> Manifest:
    """A ref that a monitor made, as a manifest of nobody's: without its owner, its status and what the server added.

    It has no namespace, so that it may be applied in another one.
    """
    metadata = {"name": found["metadata"]["name"]}
    for name in ("labels", "annotations"):
        values = {
            key: value for key, value in (found["metadata"].get(name) or {}).items() if not key.startswith(_NOT_WRITTEN)
        }
        if values:
            metadata[name] = values
    return {"apiVersion": API_VERSION, "kind": Kind.REF.api_name, "metadata": metadata, "spec": found["spec"]}


def belongs_to(found: Mapping[str, Any], owner_uid: str) -> bool:
    """Whether the monitor with this uid controls the ref."""
    owners = found["metadata"].get("ownerReferences") or ()
    return any(each.get("controller") and each.get("uid") == owner_uid for each in owners)


def monitor(account: str, app: str, name: str) -> Manifest:
    """A monitor of an app, with nothing in it but what is required."""
    spec = {"accountID": account, "appID": app}
    return {"apiVersion": API_VERSION, "kind": Kind.MONITOR.api_name, "metadata": {"name": name}, "spec": spec}


def check_id(text: str) -> str:
    """`text` if it can be an ID of Astra Control.

    Raises:
        ValueError: it cannot.
    """
    if not _UUID.fullmatch(text):
        raise ValueError(f"{text!r} is not a UUID, such as 7e1bdbb3-0c4e-4d6e-8a1f-2b9f3c5d7e90")
    return text.lower()
