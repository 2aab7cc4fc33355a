"""One way to find the API server's address and credentials, for Kopf and for the client library alike."""

import os
from pathlib import Path
from typing import Final
from urllib.request import getproxies

import kopf
import yaml
from kubernetes.aio import client, config

REQUEST_TIMEOUT: Final = 30.0
"""Seconds for one call; the library waits for ever without it."""
_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ClusterConfigError(Exception):
    """No usable credentials for a cluster were found."""


async def load_configuration() -> client.Configuration:
    """The configuration, found the usual way: KUBECONFIG, ~/.kube/config, the pod's service account.

    Raises:
        ClusterConfigError: nothing usable is there; the message says what is wrong, and where.
    """
    configuration = client.Configuration()
    found = _kubeconfigs()
    try:
        if found:
            await config.load_kube_config(found, client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError, ValueError, yaml.YAMLError) as error:
        raise ClusterConfigError(f"no usable cluster credentials in {found or _SERVICE_ACCOUNT}: {error}") from error
    except (TypeError, KeyError, AttributeError) as error:
        # What the library does with a file that has another structure.
        raise ClusterConfigError(f"no usable cluster credentials: {found} is not a kubeconfig") from error
    # Each watch on Secrets holds a connection; with a limit they would leave none for anything else.
    configuration.connection_pool_maxsize = 0
    # Without a proxy in the environment aiohttp need not look for one, and for a netrc file in a thread, each time.
    configuration.client_session_kwargs = {"trust_env": bool(getproxies())}
    return configuration


def _kubeconfigs() -> str:
    """The kubeconfigs that exist, joined as in KUBECONFIG; empty for the pod's service account."""
    named = os.environ.get("KUBECONFIG")
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


async def kopf_credentials(configuration: client.Configuration) -> kopf.ConnectionInfo:
    """The same credentials in Kopf's terms; asked for again whenever the API server refuses the last ones."""
    header: str | None = await configuration.get_api_key_with_prefix("BearerToken")
    scheme, _, token = (header or "").partition(" ")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        username=configuration.username or None,
        password=configuration.password or None,
        scheme=scheme or None,
        token=token or None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        proxy_url=configuration.proxy,
    )


def why(error: BaseException) -> str:
    """A failed call's reason in one line, for a log."""
    if isinstance(error, client.ApiException):
        return f"{error.status} {error.reason}"
    return str(error) or type(error).__name__
