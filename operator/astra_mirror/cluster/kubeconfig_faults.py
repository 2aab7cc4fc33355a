"""What is wrong with a kubeconfig, in words of our own: what, where, and what to do, but none of the values.

The client library, YAML and Python quote what they cannot use, and in a kubeconfig that may be a token, a password or a
key. So none of their texts is shown. Only after one of them has failed are the files read again, to find out why; the
names of files and of entries are quoted, because they are no secrets.
"""

import base64
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from astra_mirror.support.text import cut

_MAX_NAME_LENGTH: Final = 100
_CLUSTER_FILES: Final = {"certificate-authority": "certificate-authority-data"}
_USER_FILES: Final = {
    "tokenFile": "token",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
}
_OIDC_KEYS: Final = ("client-id", "client-secret", "idp-issuer-url", "refresh-token")


class NoIdentityError(Exception):
    """The credential plugin has returned neither a token nor a certificate."""


class _FaultError(Exception):
    """A fault that was found; the text says what and where."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A cluster, a context or a user, and the file that it is in."""

    kind: str
    name: str
    path: str
    fields: dict[str, Any]

    @property
    def where(self) -> str:
        return f"the {self.kind} {cut(self.name, _MAX_NAME_LENGTH)!r} in {self.path}"


def fault_of(paths: str, error: Exception) -> str:
    """Why `error` was raised for the kubeconfigs at `paths`, which are joined as in KUBECONFIG."""
    try:
        user = _checked(paths.split(os.pathsep))
    except _FaultError as found:
        return str(found)
    if user is not None and isinstance(error, NoIdentityError):
        return _of_plugin(user)
    if user is not None and _provider(user) == "oidc":
        return (
            f"the identity provider of {user.where} has issued no new id-token ({type(error).__name__}): "
            "check idp-issuer-url, or log in again"
        )
    where = paths if user is None else user.where
    return f"{where} cannot be used ({type(error).__name__}): check what kubectl config view --minify shows"


def is_server(url: str) -> bool:
    """Whether this is the URL of an API server: nothing in it is to be kept secret, and a path may be added to it."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and not {*"@?#"} & {*url}
    except ValueError:
        return False


def _checked(paths: list[str]) -> _Entry | None:
    """The user of the current context, if it has one.

    Raises:
        _FaultError: something is wrong.
    """
    files = {path: _read(path) for path in paths}
    contexts, clusters, users = (_entries(files, kind) for kind in ("context", "cluster", "user"))
    current = next((each["current-context"] for each in reversed(files.values()) if "current-context" in each), None)
    where = os.pathsep.join(paths)
    if not isinstance(current, str):
        raise _FaultError(f"{where} has no current-context: choose one with kubectl config use-context")
    if current not in contexts:
        raise _FaultError(
            f"the current-context of {where} is {cut(current, _MAX_NAME_LENGTH)!r}, which is not in contexts"
        )
    context = _body(contexts[current])
    cluster, user = context.fields.get("cluster"), context.fields.get("user")
    if not isinstance(cluster, str) or cluster not in clusters:
        raise _FaultError(f"the cluster of {context.where} is not in clusters")
    _check_cluster(_body(clusters[cluster]))
    if not isinstance(user, str) or user not in users:
        return None
    found = _body(users[user])
    _check_user(found)
    return found


def _read(path: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise _FaultError(f"{path} cannot be read: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        raise _FaultError(
            f"{path} is not valid YAML{place}: indent with spaces, and put values with special characters in quotation "
            "marks"
        ) from None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, yaml.YAMLError):
        raise _FaultError(f"{path} is not a kubeconfig, which is a YAML mapping in UTF-8") from None
    if not isinstance(content, dict):
        raise _FaultError(f"{path} is not a kubeconfig, which is a YAML mapping in UTF-8")
    return content


def _entries(files: dict[str, dict[str, Any]], kind: str) -> dict[str, _Entry]:
    found: dict[str, _Entry] = {}
    for path, content in files.items():
        entries = content.get(f"{kind}s") or []
        if not isinstance(entries, list):
            raise _FaultError(f"{path} is not a kubeconfig: {kind}s must be a list")
        for number, each in enumerate(entries, 1):
            if not isinstance(each, dict) or not isinstance(each.get("name"), str):
                raise _FaultError(f"{path} is not a kubeconfig: entry {number} of {kind}s must have a name")
            found.setdefault(each["name"], _Entry(kind, each["name"], path, each))
    return found


def _body(entry: _Entry) -> _Entry:
    fields = entry.fields.get(entry.kind)
    if not isinstance(fields, dict):
        raise _FaultError(f"{entry.where} has no mapping named {entry.kind}: its other fields belong in there")
    return _Entry(entry.kind, entry.name, entry.path, fields)


def _check_cluster(cluster: _Entry) -> None:
    server = cluster.fields.get("server")
    if not isinstance(server, str) or not is_server(server):
        raise _FaultError(
            f"the server of {cluster.where} must be a URL such as https://HOST:PORT, without user name, password, "
            "query or fragment: credentials belong in the user's entry"
        )
    if "proxy-url" in cluster.fields and not _has_text(cluster.fields, "proxy-url"):
        raise _FaultError(f"the proxy-url of {cluster.where} must be a URL")
    _check_files(cluster, _CLUSTER_FILES)


def _check_user(user: _Entry) -> None:
    fields = user.fields
    plugin = fields.get("exec")
    if "exec" in fields and (not isinstance(plugin, dict) or not _has_text(plugin, "command", "apiVersion")):
        raise _FaultError(f"the credential plugin (exec) of {user.where} must have a command and an apiVersion")
    if "auth-provider" in fields:
        _check_provider(user)
    if "username" in fields and "password" in fields and not _has_text(fields, "username", "password"):
        raise _FaultError(f"the username and the password of {user.where} must be in quotation marks")
    _check_files(user, _USER_FILES)


def _check_provider(user: _Entry) -> None:
    provider = user.fields["auth-provider"]
    if not isinstance(provider, dict) or not isinstance(provider.get("config"), dict):
        raise _FaultError(f"the auth-provider of {user.where} must have a name and a config")
    config = provider["config"]
    if _provider(user) != "oidc":
        return
    if "id-token" in config and not _is_web_token(config["id-token"]):
        raise _FaultError(f"the id-token of {user.where} is not a JSON web token: log in again")
    missing = [key for key in _OIDC_KEYS if not _has_text(config, key)]
    if missing:
        raise _FaultError(f"the auth-provider of {user.where} cannot renew its id-token: it lacks {', '.join(missing)}")


def _check_files(entry: _Entry, keys: dict[str, str]) -> None:
    for key, data_key in keys.items():
        data = entry.fields.get(data_key)
        if data is not None and key != "tokenFile" and not _is_base64(data):
            raise _FaultError(f"the {data_key} of {entry.where} is not base64: the path of a file belongs in {key}")
        if data_key not in entry.fields and key in entry.fields and not _can_be_read(entry, entry.fields[key]):
            raise _FaultError(
                f"the {key} of {entry.where} is not the path of a file that can be read: the content itself belongs in "
                f"{data_key}"
            )


def _of_plugin(user: _Entry) -> str:
    program = shutil.which(user.fields["exec"]["command"])
    if program is None:
        # The command is not quoted: it may contain an argument, and that a password.
        return f"the credential plugin of {user.where} is no program that is installed: arguments belong in args"
    return f"the credential plugin {program!r} gave none for {user.where}: run it to see why"


def _provider(user: _Entry) -> object:
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


def _can_be_read(entry: _Entry, path: object) -> bool:
    try:
        file = Path(entry.path).parent / path if isinstance(path, str) else None
        return file is not None and file.is_file() and os.access(file, os.R_OK)
    except (OSError, ValueError):
        return False
