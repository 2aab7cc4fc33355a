"""A proxy that breaks things on purpose: between the operator and its API server, or between it and Astra Control.

Much of what goes wrong in a cluster cannot be asked of a real API server: a load balancer that answers `404 page not
found`, a watch that swallows what happened, a connection that died and never said so, a PATCH that is never answered in
one namespace alone. A proxy in front of the real one does it, and all the rest stays real.

    with FaultProxy(control_plane.url, authority=..., certificate=..., key=...) as proxy:
        kubeconfig = control_plane.kubeconfig_for("astra-mirror-system", "astra-mirror", server=proxy.url)
        with proxy.fault(verb="patch", namespace="shop", kind="hang"):
            ...
        proxy.requests.wait_for(1, verb="watch", path="*/appbackuprefs")

A fault has a kind and a part that says which requests it concerns: verb (Kubernetes' own words: get, list, watch,
create, update, patch, delete), a glob pattern for the path, a namespace; for so many requests or until it is cleared.
The kinds are described at `faults.Fault`.

`TCPProxy` is the layer below: it forwards bytes, and freezes or cuts them. `Tunnel` is a proxy such as HTTPS_PROXY
names.
All run in threads of the process that starts them, on loopback, on a port of their own.
"""

from dev.faultproxy.faults import Fault, Request
from dev.faultproxy.server import FaultProxy
from dev.faultproxy.tcp import TCPProxy, Tunnel

__all__ = ["Fault", "FaultProxy", "Request", "TCPProxy", "Tunnel"]
