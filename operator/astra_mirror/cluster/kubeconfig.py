"""Finds the API server's address and credentials, once for both Kopf and the kubernetes client."""

import base64
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import yaml
from kubernetes.aio import client, config
from kubernetes.aio.config.kube_config import KubeConfigLoader

from astra_mirror.cluster.identity import identity_of
from astra_mirror.cluster.kubeconfig_faults import check, fault_of, is_sendable, is_server
from astra_mirror.cluster.kubeconfig_files import Entry, Kubeconfig, KubeconfigError, read_kubeconfigs
from astra_mirror.core.proxies import UnsupportedProxyError, proxy_for

_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")

_IN_FILES: Final = ("certificate-authority", "client-certificate", "client-key")

# The client library logs what it finds.
logging.getLogger("kubernetes.aio.config.kube_config").disabled = True

_FAILURES: Final = (
    config.ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, LookupError, AttributeError,
    ArithmeticError, RecursionError,
)  # fmt: skip
"""What the client library raises for a file that is not as it expects."""


class _UnsendableTokenError(ValueError):
    """A token is no value for a header; the message does not quote it."""


class ClusterConfigError(Exception):
    """No usable credentials for a cluster were found."""


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """How to reach the API server, and the identity to use there.

    Attributes:
        host: the API server's URL.
        authorization: the value of the Authorization header; None for a client certificate, or for no identity.
        expires_at: when the authorization or the client certificate expires; None when that is not known.
        is_in_file: whether the authorization comes from a file that is rewritten when the token rotates.
        ca_file: the certificate authorities of the API server; None for those of the operating system.
        cert_file: the client certificate.
        key_file: the client certificate's key.
        ca_data, cert_data, key_data: the same where the kubeconfig contains them; then there is no file.
        verify: whether the API server's certificate is verified.
        server_name: the host name that the certificate is for, where it is not the URL's.
        proxy: the URL of the proxy to use.
        impersonation: the headers that name the user to act as.
    """

    host: str
    authorization: str | None = field(repr=False)
    expires_at: datetime | None
    is_in_file: bool
    ca_file: str | None
    cert_file: str | None
    key_file: str | None
    verify: bool
    server_name: str | None
    proxy: str | None = field(repr=False)
    impersonation: tuple[tuple[str, str], ...] = ()
    ca_data: bytes | None = field(default=None, repr=False)
    cert_data: bytes | None = field(default=None, repr=False)
    key_data: bytes | None = field(default=None, repr=False)


async def load_configuration(
    environment: Mapping[str, str] = os.environ, *, plugin_seconds: float = 60.0
) -> ClusterConfig:
    """The configuration, found the usual way: KUBECONFIG, ~/.kube/config, the pod's service account.

    Each call reads the files again, and runs the credential plugin if there is one, for at most `plugin_seconds`.

    Raises:
        ClusterConfigError: there are no usable credentials; the message says what is wrong, and where.
    """
    found = _kubeconfigs(environment)
    kubeconfig = None
    try:
        kubeconfig = read_kubeconfigs(found) if found else None
        loaded = _from_service_account() if kubeconfig is None else await _from_kubeconfig(kubeconfig, plugin_seconds)
        return _complete(loaded, environment)
    except KubeconfigError as error:
        failure = f"no usable cluster credentials: {error}"
    except (UnsupportedProxyError, _UnsendableTokenError) as error:
        failure = f"no usable cluster credentials in {found or _SERVICE_ACCOUNT}: {error}"
    except _FAILURES as error:
        reason = _service_account_fault(error) if kubeconfig is None else fault_of(kubeconfig, error)
        failure = f"no usable cluster credentials: {reason}"
    # Not raised above, so that no traceback has the error of a library, which may quote a credential.
    raise ClusterConfigError(failure)


@dataclass(frozen=True, slots=True)
class _Loaded:
    configuration: client.Configuration
    expires_at: datetime | None
    is_in_file: bool
    impersonation: tuple[tuple[str, str], ...] = ()
    contained: Mapping[str, bytes] = field(default_factory=dict)


async def _from_kubeconfig(kubeconfig: Kubeconfig, plugin_seconds: float) -> _Loaded:
    check(kubeconfig)
    cluster, user = kubeconfig.cluster, kubeconfig.user
    if urlsplit(cluster.fields["server"]).scheme != "https":
        # As client-go: who the user is, is told to nobody but over TLS, and no credential plugin is run.
        user = Entry(user.kind, user.name, user.path, {})
    identity = await identity_of(user, plugin_seconds)
    configuration = _empty()
    contained = _contained(cluster) | _contained(identity.user)
    without = Kubeconfig(*(_without(each, contained) for each in (cluster, identity.user)))
    loader = KubeConfigLoader(without.content())  # type: ignore[no-untyped-call]
    await loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
    return _Loaded(configuration, identity.expires_at, identity.is_in_file, identity.impersonation, contained)


def _contained(entry: Entry) -> dict[str, bytes]:
    """The certificates and the key in an entry, by the name of the field that would name the file."""
    data = {name: entry.fields.get(f"{name}-data") for name in _IN_FILES}
    return {name: base64.standard_b64decode(each) for name, each in data.items() if each is not None}


def _without(entry: Entry, contained: Mapping[str, bytes]) -> Entry:
    """`entry` without what it contains: the client library would write it into files, which need a disk."""
    left_out = {*contained, *(f"{name}-data" for name in contained)}
    fields = {name: value for name, value in entry.fields.items() if name not in left_out}
    return Entry(entry.kind, entry.name, entry.path, fields)


def _from_service_account() -> _Loaded:
    configuration = _empty()
    config.load_incluster_config(  # type: ignore[no-untyped-call]
        client_configuration=configuration, try_refresh_token=False
    )
    return _Loaded(configuration, None, is_in_file=True)


def _empty() -> client.Configuration:
    configuration = client.Configuration()
    # The client library reads the proxy variables differently from kubectl.
    configuration.proxy = None
    return configuration


def _complete(loaded: _Loaded, environment: Mapping[str, str]) -> ClusterConfig:
    found = loaded.configuration
    if not is_server(found.host):
        raise ValueError("not the URL of an API server")
    return ClusterConfig(
        host=found.host,
        authorization=_authorization(found),
        expires_at=loaded.expires_at,
        is_in_file=loaded.is_in_file,
        ca_file=found.ssl_ca_cert,
        cert_file=found.cert_file,
        key_file=found.key_file,
        verify=found.verify_ssl,
        server_name=found.tls_server_name,
        proxy=proxy_for(found.host, found.proxy, environment),
        impersonation=loaded.impersonation,
        ca_data=loaded.contained.get("certificate-authority"),
        cert_data=loaded.contained.get("client-certificate"),
        key_data=loaded.contained.get("client-key"),
    )


def _authorization(found: client.Configuration) -> str | None:
    """The value of the header, without the white space around the token: client-go reads a file without it too."""
    value = (found.api_key or {}).get("BearerToken")
    if value is None:
        return None
    scheme, _, token = value.partition(" ")
    token = token.strip()
    if not token or not is_sendable(token):
        raise _UnsendableTokenError("the token is empty, or has a line break or another control character in it")
    return f"{scheme} {token}"


def _kubeconfigs(environment: Mapping[str, str]) -> str:
    """The paths of the kubeconfigs that exist, joined as in KUBECONFIG; empty for the pod's service account."""
    named = environment.get("KUBECONFIG")
    paths = [each for each in (named or "~/.kube/config").split(os.pathsep) if each]
    # Quote only what is a path for certain: the content of a kubeconfig may have been put there.
    are_paths = all(re.fullmatch(r"[/~][\w./~+-]*", path) for path in paths)
    unquoted = "not the path of a file that exists: set it to the path of a kubeconfig, not to its content"
    try:
        found = os.pathsep.join(each for path in paths if (each := _existing(path)))
    except OSError as error:
        failure = f"{error.filename} cannot be read: {error.strerror}" if are_paths else f"KUBECONFIG is {unquoted}"
    else:
        if found or (not named and (_SERVICE_ACCOUNT / "token").exists()):
            return found
        failure = "KUBECONFIG is not set, there is no ~/.kube/config, and this is not a pod"
        if named:
            failure = f"KUBECONFIG is {f'{named}, which does not exist' if are_paths else unquoted}"
    # Not raised above, so that no traceback has the path.
    raise ClusterConfigError(f"no cluster credentials: {failure}")


def _existing(path: str) -> str | None:
    """The path of the file; None where it does not exist. One that may not be read is another matter, as for kubectl.

    Raises:
        OSError: it cannot be found out whether it exists.
    """
    try:
        expanded = Path(path).expanduser()
        expanded.stat()
    except (FileNotFoundError, RuntimeError, ValueError):
        # Where it is no FileNotFoundError, the path names an unknown user or has a NUL in it.
        return None
    return str(expanded)


def _service_account_fault(error: Exception) -> str:
    """The client library's own text is about files whose names are fixed, and quotes nothing of them."""
    own = "its token is no text, or KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not valid"
    return f"{_SERVICE_ACCOUNT}: {error if isinstance(error, config.ConfigException | OSError) else own}"


def pod_namespace() -> str | None:
    """The namespace of this process's pod; None outside a cluster."""
    path = _SERVICE_ACCOUNT / "namespace"
    return path.read_text().strip() if path.exists() else None
