"""One way to find the API server's address and credentials, for Kopf and for the client library alike."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import yaml
from kubernetes.aio import client, config

from astra_mirror.core.proxies import UnsupportedProxyError, proxy_for

_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ClusterConfigError(Exception):
    """No usable credentials for a cluster were found."""


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """Where the API server is, and who the operator is there.

    Attributes:
        host: its URL.
        authorization: the value of the header; None for a client certificate, or nobody.
        expires_at: when the authorization or the client certificate ends; None when that is not known.
        is_in_file: whether the authorization was read from a file whose content is replaced now and then.
        ca_file: the authorities that its certificate is checked against; None for the machine's own.
        cert_file: the client certificate, with `key_file`.
        verify: whether its certificate is checked.
        server_name: the name that its certificate is for, when that is not the URL's.
        proxy: the URL of the proxy that leads to it.
    """

    host: str
    authorization: str | None
    expires_at: datetime | None
    is_in_file: bool
    ca_file: str | None
    cert_file: str | None
    key_file: str | None
    verify: bool
    server_name: str | None
    proxy: str | None


async def load_configuration(environment: Mapping[str, str] = os.environ) -> ClusterConfig:
    """The configuration, found the usual way: KUBECONFIG, ~/.kube/config, the pod's service account.

    A credential plugin is run. What is read is read anew each time.

    Raises:
        ClusterConfigError: nothing usable is there; the message says what is wrong, and where.
    """
    found = _kubeconfigs(environment)
    try:
        loaded = await _from_kubeconfig(found) if found else _from_service_account()
        return _complete(loaded, environment)
    except (config.ConfigException, UnsupportedProxyError, OSError, ValueError, yaml.YAMLError) as error:
        raise ClusterConfigError(f"no usable cluster credentials in {found or _SERVICE_ACCOUNT}: {error}") from error
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        # What the library does with a file that has another structure.
        raise ClusterConfigError(f"no usable cluster credentials: {found} is not a kubeconfig") from error


@dataclass(frozen=True, slots=True)
class _Loaded:
    configuration: client.Configuration
    expires_at: datetime | None
    is_in_file: bool


async def _from_kubeconfig(paths: str) -> _Loaded:
    configuration = _empty()
    loader = await config.load_kube_config(paths, client_configuration=configuration)  # type: ignore[no-untyped-call]
    user: Any = loader._user  # noqa: SLF001 - the library has no other way to tell what the credentials came from
    keys = set() if user is None else {key for key in ("exec", "tokenFile") if key in user}
    if "exec" in keys and not (configuration.api_key or configuration.cert_file):
        # The library logs what the plugin said, and goes on as nobody.
        raise ClusterConfigError(
            f"no usable cluster credentials in {paths}: the credential plugin {user['exec']['command']!r} gave none"
        )
    return _Loaded(configuration, getattr(loader, "exec_plugin_expiry", None), "tokenFile" in keys)


def _from_service_account() -> _Loaded:
    configuration = _empty()
    config.load_incluster_config(  # type: ignore[no-untyped-call]
        client_configuration=configuration, try_refresh_token=False
    )
    return _Loaded(configuration, None, is_in_file=True)


def _empty() -> client.Configuration:
    configuration = client.Configuration()
    # The library has rules of its own for these, and they are not kubectl's.
    configuration.proxy = None
    return configuration


def _complete(loaded: _Loaded, environment: Mapping[str, str]) -> ClusterConfig:
    found = loaded.configuration
    return ClusterConfig(
        host=found.host,
        authorization=(found.api_key or {}).get("BearerToken"),
        expires_at=loaded.expires_at,
        is_in_file=loaded.is_in_file,
        ca_file=found.ssl_ca_cert,
        cert_file=found.cert_file,
        key_file=found.key_file,
        verify=found.verify_ssl,
        server_name=found.tls_server_name,
        proxy=proxy_for(found.host, found.proxy, environment),
    )


def _kubeconfigs(environment: Mapping[str, str]) -> str:
    """The kubeconfigs that exist, joined as in KUBECONFIG; empty for the pod's service account."""
    named = environment.get("KUBECONFIG")
    paths = [Path(each).expanduser() for each in (named or "~/.kube/config").split(os.pathsep) if each]
    found = os.pathsep.join(str(path) for path in paths if path.exists())
    if named and not found:
        raise ClusterConfigError(f"no cluster credentials: KUBECONFIG is {named}, which does not exist")
    if not found and not (_SERVICE_ACCOUNT / "token").exists():
        raise ClusterConfigError(
            "no cluster credentials: KUBECONFIG is not set, there is no ~/.kube/config, and this is not a pod"
        )
    return found


def pod_namespace() -> str | None:
    """The namespace of the pod that this process runs in; None outside a cluster."""
    path = _SERVICE_ACCOUNT / "namespace"
    return path.read_text().strip() if path.exists() else None
