"""What is wrong with a kubeconfig, in words of our own: what, where, and what to do, but none of the values.

The client library, YAML and Python quote what they cannot use, and in a kubeconfig that may be a token, a password or a
key. So none of their texts is shown. The entries are checked before the client library sees them, because it takes many
a wrong value for another one: a text for `true`. The names of files and of entries are quoted: they are no secrets.
"""

import base64
import json
import os
import shutil
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from astra_mirror.cluster.kubeconfig_files import Entry, Kubeconfig, KubeconfigError

_CLUSTER_FILES: Final = {"certificate-authority": "certificate-authority-data"}
_USER_FILES: Final = {
    "tokenFile": "token",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
}
_OIDC_KEYS: Final = ("client-id", "client-secret", "idp-issuer-url", "refresh-token")


class NoIdentityError(Exception):
    """The credential plugin has returned neither a token nor a certificate."""


def check(kubeconfig: Kubeconfig) -> None:
    """Check the entries.

    Raises:
        KubeconfigError: something in them is wrong.
    """
    _check_cluster(kubeconfig.cluster)
    _check_user(kubeconfig.user)


def fault_of(kubeconfig: Kubeconfig, error: Exception) -> str:
    """Why `error` was raised for this kubeconfig, which has been checked."""
    user = kubeconfig.user
    if isinstance(error, NoIdentityError):
        return _of_plugin(user)
    if _provider(user) == "oidc":
        return (
            f"the identity provider of {user.where} has issued no new id-token ({type(error).__name__}): "
            "check idp-issuer-url, or log in again"
        )
    where = (user if user.fields else kubeconfig.cluster).where
    return f"{where} cannot be used ({type(error).__name__}): check what kubectl config view --minify shows"


def is_server(url: str) -> bool:
    """Whether this is the URL of an API server: nothing in it is to be kept secret, and a path may be added to it."""
    try:
        parts = urlsplit(url)
        port = parts.port
        url.encode()
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        return False
    # After a port, the path may be the rest of a password with a slash in it, whose beginning was read as the port.
    return not (parts.query or parts.fragment or "@" in parts.netloc or ("@" in parts.path and port is not None))


def _check_cluster(cluster: Entry) -> None:
    server = cluster.fields.get("server")
    if not isinstance(server, str) or not is_server(server):
        raise KubeconfigError(
            f"the server of {cluster.where} must be a URL such as https://HOST:PORT, without user name, password, "
            "query or fragment: credentials belong in the user's entry; in the path, write @ as %40"
        )
    if "proxy-url" in cluster.fields and not _has_text(cluster.fields, "proxy-url"):
        raise KubeconfigError(f"the proxy-url of {cluster.where} must be a URL")
    if not isinstance(cluster.fields.get("insecure-skip-tls-verify", False), bool):
        raise KubeconfigError(
            f"the insecure-skip-tls-verify of {cluster.where} must be true or false, without quotation marks"
        )
    _check_files(cluster, _CLUSTER_FILES)


def _check_user(user: Entry) -> None:
    fields = user.fields
    plugin = fields.get("exec")
    if "exec" in fields and (not isinstance(plugin, dict) or not _has_text(plugin, "command", "apiVersion")):
        raise KubeconfigError(f"the credential plugin (exec) of {user.where} must have a command and an apiVersion")
    if "auth-provider" in fields:
        _check_provider(user)
    if "username" in fields and "password" in fields and not _has_text(fields, "username", "password"):
        raise KubeconfigError(f"the username and the password of {user.where} must be in quotation marks")
    _check_files(user, _USER_FILES)


def _check_provider(user: Entry) -> None:
    provider = user.fields["auth-provider"]
    if not isinstance(provider, dict) or not isinstance(provider.get("config"), dict):
        raise KubeconfigError(f"the auth-provider of {user.where} must have a name and a config")
    config = provider["config"]
    if _provider(user) != "oidc":
        return
    if "id-token" in config and not _is_web_token(config["id-token"]):
        raise KubeconfigError(f"the id-token of {user.where} is not a JSON web token: log in again")
    missing = [key for key in _OIDC_KEYS if not _has_text(config, key)]
    if missing:
        raise KubeconfigError(
            f"the auth-provider of {user.where} cannot renew its id-token: it lacks {', '.join(missing)}"
        )


def _check_files(entry: Entry, keys: dict[str, str]) -> None:
    for key, data_key in keys.items():
        data = entry.fields.get(data_key)
        if data is not None and key != "tokenFile" and not _is_base64(data):
            raise KubeconfigError(f"the {data_key} of {entry.where} is not base64: the path of a file belongs in {key}")
        if data_key not in entry.fields and key in entry.fields and not _can_be_read(entry.fields[key]):
            raise KubeconfigError(
                f"the {key} of {entry.where} is not the path of a file that can be read: the content itself belongs in "
                f"{data_key}"
            )


def _of_plugin(user: Entry) -> str:
    program = shutil.which(user.fields["exec"]["command"])
    if program is None:
        # The command is not quoted: it may contain an argument, and that a password.
        return f"the credential plugin of {user.where} is no program that is installed: arguments belong in args"
    return f"the credential plugin {program!r} gave none for {user.where}: run it to see why"


def _provider(user: Entry) -> object:
    provider = user.fields.get("auth-provider")
    return provider.get("name") if isinstance(provider, dict) else None


def _has_text(fields: dict[str, Any], *keys: str) -> bool:
    return all(isinstance(fields.get(key), str) for key in keys)


def _is_web_token(token: object) -> bool:
    parts = token.split(".") if isinstance(token, str) else []
    try:
        return len(parts) == 3 and isinstance(json.loads(base64.b64decode(f"{parts[1]}==")), dict)
    except (ValueError, RecursionError):
        return False


def _is_base64(data: object) -> bool:
    try:
        return isinstance(data, str) and base64.standard_b64decode(data) is not None
    except ValueError:
        return False


def _can_be_read(path: object) -> bool:
    try:
        return isinstance(path, str) and Path(path).is_file() and os.access(path, os.R_OK)
    except (OSError, ValueError):
        return False
