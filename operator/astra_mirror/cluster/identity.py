"""Who the operator is, according to the user of a kubeconfig: what client-go would find out, found out here.

So the client library is left with what it only has to copy. It would renew the token of an identity provider without
verifying whose server it talks to, would follow redirects with it, and would go on without an identity.
"""

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote

from astra_mirror.cluster.credential_plugin import run_plugin
from astra_mirror.cluster.kubeconfig_files import Entry, KubeconfigError, read_regular_file

_IN_NAMES: Final = "!#$&'*+-.^_`|~"
"""What the name of a header may contain besides letters and digits; client-go encodes the per cent sign as well."""


@dataclass(frozen=True, slots=True)
class OperatorIdentity:
    """The operator's identity.

    Attributes:
        user: the user of a kubeconfig, with neither a plugin, nor an identity provider, nor the file of a token.
        expires_at: when the credentials expire; None when that is not known.
        is_in_file: whether the token comes from a file that is rewritten when it rotates.
        impersonation: the headers that name the user to act as.
    """

    user: Entry
    expires_at: datetime | None
    is_in_file: bool
    impersonation: tuple[tuple[str, str], ...]


async def identity_of(user: Entry, plugin_seconds: float | None, *, for_person: bool = False) -> OperatorIdentity:
    """The identity of a user that has been checked.

    Args:
        user: the user.
        plugin_seconds: how long a credential plugin may take; None for any time.
        for_person: whether a credential plugin may ask somebody, and shows its errors.

    Raises:
        KubeconfigError: there are no usable credentials.
    """
    fields = {name: value for name, value in user.fields.items() if name not in {"tokenFile", "exec", "auth-provider"}}
    is_in_file = "tokenFile" in user.fields
    if is_in_file:
        fields["token"] = _token(user)
    expires_at = None
    # A plugin and a provider serve those who have nothing else.
    if not fields.keys() & {"token", "username"}:
        if "exec" in user.fields:
            credential = await run_plugin(user, plugin_seconds, for_person=for_person)
            fields |= credential.fields
            expires_at = credential.expires_at
        elif "auth-provider" in user.fields:
            fields["token"] = _id_token(user)
    bare = Entry(user.kind, user.name, user.path, fields)
    return OperatorIdentity(bare, expires_at, is_in_file, tuple(_impersonation(user)))


def _impersonation(user: Entry) -> Iterator[tuple[str, str]]:
    fields = user.fields
    for name, key in (("User", "as"), ("Uid", "as-uid")):
        if key in fields:
            yield f"Impersonate-{name}", fields[key]
    for group in fields.get("as-groups") or ():
        yield "Impersonate-Group", group
    for key, values in (fields.get("as-user-extra") or {}).items():
        for value in values:
            yield f"Impersonate-Extra-{quote(key, safe=_IN_NAMES)}", value


def _token(user: Entry) -> str:
    """The token in the file; the one in the kubeconfig, which is older, where the file has none."""
    path, token = user.fields["tokenFile"], user.fields.get("token")
    try:
        content = read_regular_file(path).strip()
    except (OSError, ValueError, TypeError):
        content = ""
    if not content and not isinstance(token, str):
        raise KubeconfigError(f"the file that the tokenFile of {user.where} names has no token in it")
    return content or str(token)


def _id_token(user: Entry) -> str:
    provider = user.fields["auth-provider"]
    config = provider.get("config") if isinstance(provider, dict) else None
    if not isinstance(config, dict) or provider.get("name") != "oidc":
        raise KubeconfigError(
            f"the auth-provider of {user.where} must have the name oidc and a config: kubectl has no other any more, "
            "use a credential plugin (exec)"
        )
    token = config.get("id-token")
    claims = _claims(token)
    advice = "it is not renewed here: log in again, or use a credential plugin (exec) such as kubectl oidc-login"
    if not token:
        raise KubeconfigError(f"the auth-provider of {user.where} has no id-token, and {advice}")
    if not isinstance(token, str) or not isinstance(claims, dict):
        raise KubeconfigError(f"the id-token of {user.where} is not a JSON web token: log in again")
    end = claims.get("exp")
    if isinstance(end, int | float) and end <= time.time():
        raise KubeconfigError(f"the id-token of {user.where} has expired, and {advice}")
    return token


def _claims(token: object) -> object:
    """What a JSON web token says; None where this is not one."""
    parts = token.split(".") if isinstance(token, str) else []
    try:
        return json.loads(base64.urlsafe_b64decode(f"{parts[1]}==")) if len(parts) == 3 else None
    except (ValueError, RecursionError):
        return None
