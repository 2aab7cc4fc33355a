"""Reads kubeconfigs as kubectl does: which context is current, which of several entries counts, which fields are set.

The client library takes the current context from the last of several files, where kubectl takes it from the first. And
it fails for fields that are null or empty, which kubectl takes for absent. So it gets one configuration, made here.
"""

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from astra_mirror.support.text import cut

_MAX_NAME_LENGTH: Final = 100
_KINDS: Final = ("context", "cluster", "user")
_FILES: Final = {
    "cluster": ("certificate-authority",),
    "context": (),
    "user": ("client-certificate", "client-key", "tokenFile"),
}
"""The fields whose value is the path of a file, which is relative to that of the kubeconfig."""
IRREGULAR: Final = (
    "is a directory, pipe or device: write the content to a regular file, because it is read again at each renewal"
)
_MAX_DEPTH: Final = 64
_NOT_A_KUBECONFIG: Final = "is not a kubeconfig, which is a YAML mapping in UTF-8"


class KubeconfigError(Exception):
    """A fault in a kubeconfig; the text says what and where, and quotes no value."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A cluster, a context or a user.

    Attributes:
        kind: `cluster`, `context` or `user`.
        name: its name.
        path: the file that it is in.
        fields: those that have a value; paths in them are absolute.
    """

    kind: str
    name: str
    path: str
    fields: dict[str, Any]

    @property
    def where(self) -> str:
        """The name and the file, for a message."""
        return f"the {self.kind} {cut(self.name, _MAX_NAME_LENGTH)!r} in {self.path}"


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """What a context consists of; the user has no fields where the context names none.

    Attributes:
        cluster: its cluster.
        user: its user.
        namespace: the namespace that it chooses, if any. The operator has an option for that.
    """

    cluster: Entry
    user: Entry
    namespace: str | None = None

    def content(self) -> dict[str, Any]:
        """A kubeconfig that contains only this."""
        return {
            "current-context": "current",
            "contexts": [{"name": "current", "context": {"cluster": "current", "user": "current"}}],
            "clusters": [{"name": "current", "cluster": self.cluster.fields}],
            "users": [{"name": "current", "user": self.user.fields}],
        }


def read_kubeconfigs(paths: str, context_name: str | None = None, *, only_once: bool = False) -> Kubeconfig:
    """A context of the kubeconfigs at `paths`, of whose entries with one name the first counts.

    Args:
        paths: joined as in KUBECONFIG.
        context_name: the context; None for the current one, which the first file that sets one determines.
        only_once: whether they are never read again, so that a pipe may be one, as of a process substitution.

    Raises:
        KubeconfigError: something is wrong.
    """
    files = {path: _read(path, only_once=only_once) for path in paths.split(os.pathsep)}
    contexts, clusters, users = (_entries(files, kind) for kind in _KINDS)
    if context_name is not None and context_name not in contexts:
        raise KubeconfigError(
            f"{paths} has no context {cut(context_name, _MAX_NAME_LENGTH)!r}: see kubectl config get-contexts"
        )
    current = context_name or _current_context(files)
    if current is None:
        raise KubeconfigError(f"{paths} has no current-context: choose one with kubectl config use-context")
    if current not in contexts:
        raise KubeconfigError(
            f"the current-context of {paths} is {cut(current, _MAX_NAME_LENGTH)!r}, which is not in contexts"
        )
    context = _body(contexts[current])
    namespace = _name(context.fields.get("namespace"))
    cluster, user = (_name(context.fields.get(kind)) for kind in ("cluster", "user"))
    if cluster is None or cluster not in clusters:
        raise KubeconfigError(f"the cluster of {context.where} is not in clusters")
    if "user" not in context.fields:
        return Kubeconfig(_body(clusters[cluster]), Entry("user", "", context.path, {}), namespace)
    if user is None or user not in users:
        raise KubeconfigError(f"the user of {context.where} is not in users")
    return Kubeconfig(_body(clusters[cluster]), _body(users[user]), namespace)


def context_names(paths: str) -> list[str]:
    """The names of the contexts of the kubeconfigs at `paths`, which are joined as in KUBECONFIG.

    Raises:
        KubeconfigError: a file cannot be read, or is no kubeconfig.
    """
    return list(_entries({path: _read(path) for path in paths.split(os.pathsep)}, "context"))


def _current_context(files: dict[str, dict[str, Any]]) -> str | None:
    return next((each for content in files.values() if (each := _name(content.get("current-context")))), None)


def read_regular_file(path: str) -> str:
    """The text of the file. A pipe, for which another process must write, would block the event loop, perhaps for ever.

    Raises:
        OSError: it cannot be read, or is no regular file, nor a symbolic link to one.
        ValueError: it is not in UTF-8.
    """
    if is_irregular(path):
        raise OSError(errno.EINVAL, f"it {IRREGULAR}")
    return Path(path).read_text(encoding="utf-8")


def is_irregular(path: object) -> bool:
    """Whether this is the path of something that exists, but is no regular file."""
    try:
        return isinstance(path, str) and Path(path).exists() and not Path(path).is_file()
    except (OSError, ValueError):
        return False


class _Loader(yaml.SafeLoader):
    """Refuses what is nested too deeply for a kubeconfig: for each level, PyYAML looks at all levels above it."""

    def fetch_more_tokens(self) -> None:
        if self.flow_level + len(self.indents) > _MAX_DEPTH:
            raise ValueError(_NOT_A_KUBECONFIG)
        super().fetch_more_tokens()


def _read(path: str, *, only_once: bool = False) -> dict[str, Any]:
    try:
        text = Path(path).read_text(encoding="utf-8") if only_once else read_regular_file(path)
        content = yaml.load(text, _Loader)  # noqa: S506 - it is a SafeLoader
    except OSError as error:
        raise KubeconfigError(f"{path} cannot be read: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        raise KubeconfigError(
            f"{path} is not valid YAML{place}: indent with spaces, and put values with special characters in quotation "
            "marks"
        ) from None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, yaml.YAMLError):
        raise KubeconfigError(f"{path} {_NOT_A_KUBECONFIG}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise KubeconfigError(f"{path} {_NOT_A_KUBECONFIG}")
    return content


def _entries(files: dict[str, dict[str, Any]], kind: str) -> dict[str, Entry]:
    """The first of each name, with all that its file has of it; `_body` makes the entry from that."""
    found: dict[str, Entry] = {}
    for path, content in files.items():
        entries = content.get(f"{kind}s") or []
        if not isinstance(entries, list):
            raise KubeconfigError(f"{path} is not a kubeconfig: {kind}s must be a list")
        for number, each in enumerate(entries, 1):
            name = _name(each.get("name")) if isinstance(each, dict) else None
            if name is None:
                raise KubeconfigError(f"{path} is not a kubeconfig: entry {number} of {kind}s must have a name")
            found.setdefault(name, Entry(kind, name, path, each))
    return found


def _name(value: object) -> str | None:
    """A name, None for none; a number is taken for its text, because YAML would need quotation marks around it."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value) or None


def _body(entry: Entry) -> Entry:
    fields = entry.fields.get(entry.kind)
    if fields is None and not {*entry.fields} - {"name", entry.kind}:
        fields = {}
    if not isinstance(fields, dict):
        raise KubeconfigError(f"{entry.where} has no mapping named {entry.kind}: its other fields belong in there")
    present = {name: value for name, value in fields.items() if value is not None and value != ""}
    for name in _FILES[entry.kind]:
        if isinstance(present.get(name), str):
            present[name] = _absolute(entry, present[name])
    plugin = present.get("exec")
    if isinstance(plugin, dict) and isinstance(plugin.get("command"), str) and os.sep in plugin["command"]:
        # Without a separator it is looked up in PATH.
        present["exec"] = {**plugin, "command": _absolute(entry, plugin["command"])}
    if isinstance(present.get("server"), str):
        present["server"] = _tidy(present["server"])
    if "username" in present:
        present.setdefault("password", "")
    return Entry(entry.kind, entry.name, entry.path, present)


def _absolute(entry: Entry, path: str) -> str:
    return os.path.normpath(Path(entry.path).parent.absolute() / path)


def _tidy(url: str) -> str:
    """`url` without an empty query or fragment, and with its scheme in lower case: the client library looks at that."""
    try:
        return urlsplit(url.strip()).geturl()
    except ValueError:
        return url
