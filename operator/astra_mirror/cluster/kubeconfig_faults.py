"""What is wrong with a kubeconfig, in words of our own: what, where, and what to do, but none of the values.

The client library, YAML and Python quote what they cannot use, and in a kubeconfig that may be a token, a password or a
key. So none of their texts is shown. The entries are checked before the client library sees them, because it takes many
a wrong value for another one: a text for `true`. The names of files and of entries are quoted: they are no secrets.
"""

import base64
import os
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from astra_mirror.cluster.kubeconfig_files import IRREGULAR, Entry, Kubeconfig, KubeconfigError, is_irregular
from astra_mirror.core.proxies import is_host_name

_CLUSTER_FILES: Final = {"certificate-authority": "certificate-authority-data"}
_USER_FILES: Final = {
    "tokenFile": "token",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
}
_UNSENDABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""Control characters, and halves of a character: JSON and YAML may contain these alone, and no encoding has them."""


def check(kubeconfig: Kubeconfig) -> None:
    """Check the entries.

    Raises:
        KubeconfigError: something in them is wrong.
    """
    _check_cluster(kubeconfig.cluster)
    _check_user(kubeconfig.user)


def fault_of(kubeconfig: Kubeconfig, error: Exception) -> str:
    """Why `error` was raised for this kubeconfig, which has been checked."""
    where = (kubeconfig.user if kubeconfig.user.fields else kubeconfig.cluster).where
    return f"{where} cannot be used ({type(error).__name__}): check what kubectl config view --minify shows"


def is_server(url: str) -> bool:
    """Whether this is the URL of an API server: nothing in it is to be kept secret, and a path may be added to it."""
    try:
        parts = urlsplit(url)
        port = parts.port
        url.encode()
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or not is_host_name(parts.hostname or "") or port == 0:
        return False
    # After a port, the path may be the rest of a password with a slash in it, whose beginning was read as the port.
    return not (parts.query or parts.fragment or "@" in parts.netloc or ("@" in parts.path and port is not None))


def is_sendable(value: object) -> bool:
    """Whether this is a text that a header can contain."""
    return isinstance(value, str) and not _UNSENDABLE.search(value)


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
    name = cluster.fields.get("tls-server-name")
    if name is not None and not (isinstance(name, str) and is_host_name(name)):
        raise KubeconfigError(
            f"the tls-server-name of {cluster.where} must be a host name, with 1 to 63 characters between two dots, or "
            "an address: put a number in quotation marks"
        )
    _check_files(cluster, _CLUSTER_FILES)


def _check_user(user: Entry) -> None:
    fields = user.fields
    if "exec" in fields:
        _check_plugin(user)
    if "username" in fields and "password" in fields and not _has_text(fields, "username", "password"):
        raise KubeconfigError(f"the username and the password of {user.where} must be in quotation marks")
    _check_impersonation(user)
    _check_files(user, _USER_FILES)


def _check_plugin(user: Entry) -> None:
    plugin = user.fields["exec"]
    if not isinstance(plugin, dict) or not _has_text(plugin, "command", "apiVersion"):
        raise KubeconfigError(f"the credential plugin (exec) of {user.where} must have a command and an apiVersion")
    arguments, variables = plugin.get("args") or [], plugin.get("env") or []
    are_lists = isinstance(arguments, list) and isinstance(variables, list)
    if not are_lists or not all(isinstance(each, str) for each in arguments):
        raise KubeconfigError(
            f"the args and the env of the credential plugin of {user.where} must be lists, with each argument in "
            "quotation marks"
        )
    if not all(isinstance(each, dict) and _has_text(each, "name", "value") for each in variables):
        raise KubeconfigError(
            f"the env of the credential plugin of {user.where} must consist of mappings of name and value, with each "
            "value in quotation marks"
        )


def _check_impersonation(user: Entry) -> None:
    name, uid = (user.fields.get(key, "") for key in ("as", "as-uid"))
    groups, extra = user.fields.get("as-groups") or [], user.fields.get("as-user-extra") or {}
    lists = [groups, *extra.values()] if isinstance(extra, dict) else [None]
    are_texts = all(isinstance(each, list) and all(is_sendable(text) for text in each) for each in lists)
    if not are_texts or not all(is_sendable(text) for text in (name, uid, *extra)):
        raise KubeconfigError(
            f"as and as-uid of {user.where} must be texts, as-groups a list of texts and as-user-extra a mapping of "
            "such lists, all without control characters: put numbers in quotation marks"
        )
    if (uid or groups or extra) and not name:
        raise KubeconfigError(f"{user.where} has as-uid, as-groups or as-user-extra, but no as: add the user to act as")


def _check_files(entry: Entry, keys: dict[str, str]) -> None:
    for key, data_key in keys.items():
        data = entry.fields.get(data_key)
        if data is not None and key != "tokenFile" and not _is_base64(data):
            raise KubeconfigError(f"the {data_key} of {entry.where} is not base64: the path of a file belongs in {key}")
        # Of data and a file the data count, but of a token and its file the file.
        if is_irregular(entry.fields.get(key)) and (data_key not in entry.fields or key == "tokenFile"):
            raise KubeconfigError(f"the {key} of {entry.where} {IRREGULAR}")
        if data_key not in entry.fields and key in entry.fields and not _can_be_read(entry.fields[key]):
            raise KubeconfigError(
                f"the {key} of {entry.where} is not the path of a file that can be read: the content itself belongs in "
                f"{data_key}"
            )


def _has_text(fields: dict[str, Any], *keys: str) -> bool:
    return all(isinstance(fields.get(key), str) for key in keys)


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
