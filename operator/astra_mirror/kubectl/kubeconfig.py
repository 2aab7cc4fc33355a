"""Where the kubeconfig is, or what takes its place in a pod: as kubectl looks for it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from astra_mirror.cluster.kubeconfig_files import Entry, Kubeconfig, KubeconfigError, read_kubeconfigs
from astra_mirror.kubectl.core.choice import Place

_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def kubeconfig_of(place: Place, environment: Mapping[str, str]) -> Kubeconfig:
    """The context that is meant.

    Raises:
        KubeconfigError: there is none, or something is wrong with it.
    """
    paths = kubeconfig_paths(place, environment)
    if paths:
        return read_kubeconfigs(paths, place.context, only_once=True)
    if place.context is None and (_SERVICE_ACCOUNT / "token").exists():
        return _of_pod(environment)
    raise KubeconfigError(
        "no kubeconfig was found: set KUBECONFIG, or write ~/.kube/config; kubectl config view shows what kubectl uses"
    )


def kubeconfig_paths(place: Place, environment: Mapping[str, str]) -> str:
    """The kubeconfigs that exist, joined as in KUBECONFIG; empty if there are none.

    Raises:
        KubeconfigError: the one that is named does not exist, or it cannot be found out whether one does.
    """
    if place.kubeconfig is not None:
        if not _exists(place.kubeconfig):
            raise KubeconfigError(f"--kubeconfig: there is no file {place.kubeconfig}")
        return place.kubeconfig
    default = str(Path(environment.get("HOME", "~")).expanduser() / ".kube" / "config")
    paths = (environment.get("KUBECONFIG") or default).split(os.pathsep)
    return os.pathsep.join(path for path in paths if path and _exists(path))


def _exists(path: str) -> bool:
    """Whether there is such a file. One that cannot be reached may name another cluster: that is no "no"."""
    try:
        Path(path).stat()
    except (FileNotFoundError, ValueError):
        return False
    except OSError as error:
        raise KubeconfigError(f"{path} cannot be read: {error.strerror}") from None
    return True


def _of_pod(environment: Mapping[str, str]) -> Kubeconfig:
    host, port = (environment.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
    where = str(_SERVICE_ACCOUNT)
    shown = f"[{host}]" if ":" in host else host
    cluster = {"server": f"https://{shown}:{port}", "certificate-authority": str(_SERVICE_ACCOUNT / "ca.crt")}
    namespace = _SERVICE_ACCOUNT / "namespace"
    return Kubeconfig(
        Entry("cluster", "pod", where, cluster),
        Entry("user", "pod", where, {"tokenFile": str(_SERVICE_ACCOUNT / "token")}),
        namespace.read_text().strip() if namespace.exists() else None,
    )
