"""Where a soak plays: the control plane, a fault proxy for each operator, Astra Control, and the ways to it."""

import json
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import trustme

from dev.controlplane import ControlPlane
from dev.faultproxy import FaultProxy, TCPProxy
from dev.faultproxy.faults import Fault
from dev.hostile.echo import EchoServer
from dev.hostile.held_lists import HeldLists
from dev.hostile.raw import RawServer
from dev.simulator import Backup, Simulator
from dev.soak.client import Client
from dev.soak.contents import ALLOWED_SUFFIX, TOKENS, Places, token_of
from dev.soak.health import Health
from dev.soak.process import Build, Process
from dev.soak.topology import ALLOWED_NAMES, SLOTS, TOPOLOGIES

_ROOT: Final = Path(__file__).parents[2]
_HELD_SECONDS: Final = 4.0


@dataclass(frozen=True)
class Slot:
    """A place for an operator, with a way to the API server of its own: the fault proxy, and TCP behind it."""

    proxy: FaultProxy
    tcp: TCPProxy
    kubeconfig: Path


@dataclass
class Stage:
    """All of it. `folder` keeps the logs after the end."""

    plane: ControlPlane
    client: Client
    astra: Simulator
    astra_tcp: TCPProxy
    places: Places
    slots: list[Slot]
    folder: Path
    seed: int
    build: Build
    running: dict[int, Process] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    topology: str = "one"
    documents: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    healths: list[Health] = field(default_factory=list)
    secret_changes: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    starts: list[tuple[float, str]] = field(default_factory=list)
    """When each operator was started, and as which topology said."""
    swallowed: list[tuple[float, float]] = field(default_factory=list)
    """From when until when the operators' watches have said nothing of changes."""
    outages: list[tuple[float, float]] = field(default_factory=list)
    """From when until when the API server, or etcd, was killed or frozen; to the end of its restart."""
    cuts_from: float = 0.0
    """From when on nothing may be left to the list that is made every five minutes; seconds since the epoch."""
    is_over: bool = False
    guard: threading.RLock = field(default_factory=threading.RLock)
    """Of `running` and `topology`, which several threads change."""

    @classmethod
    @contextmanager
    def open(cls, seed: int, build: Build) -> Iterator[Self]:
        """Set it up, and end all of it.

        Args:
            seed: tokens are made of it.
            build: the operator.
        """
        with ExitStack() as stack:
            plane = stack.enter_context(ControlPlane.start())
            _install(plane)
            astra = stack.enter_context(Simulator.start())
            tcp = stack.enter_context(TCPProxy(_port(astra.url)))
            folder = Path(tempfile.mkdtemp(prefix="astra-mirror-soak-"))
            slots = [_slot(stack, plane, number) for number in range(SLOTS)]
            places = _places(stack, plane, tcp, seed)
            for number in range(TOKENS):
                astra.add_token(token_of(number, seed))
            client = Client(plane)
            stack.callback(client.close)
            stage = cls(plane, client, astra, tcp, places, slots, folder, seed, build)
            stack.callback(stage.end_operators)
            stack.callback(astra.clear_faults)
            try:
                yield stage
            except BaseException as error:  # an interrupt too: whoever stops a soak by hand wants its logs
                error.add_note(f"soak: seed {seed}; the logs and the actions are in {folder}")
                raise

    def start(self, slot: int) -> None:
        """Start the operator of a slot as the topology says, unless it runs, there is none in it, or all is over."""
        with self.guard:
            options = TOPOLOGIES[self.topology]
            if slot < len(options) and slot not in self.running and not self.is_over:
                self._start(slot, options[slot])

    def _start(self, slot: int, options: tuple[str, ...]) -> None:
        self.starts.append((time.time(), self.topology))
        log = self.folder / f"operator-{len(self.processes)}-slot-{slot}.log"
        places = self.places
        urls = [places.plain, places.tls, places.raw, places.held, places.echo, places.closed]
        allowed = [f"--allowed-url={url}" for url in (*urls, f"https://*.{ALLOWED_SUFFIX}")]
        process = Process(self.build, self.slots[slot].kubeconfig, slot, [*options, *allowed], log)
        self.running[slot] = process
        self.processes.append(process)
        self.healths.append(Health(process))
        self.healths[-1].start()

    def now_running(self) -> list[Process]:
        """The operators that run at this moment."""
        with self.guard:
            return list(self.running.values())

    def slot_in_use(self, number: int) -> int:
        """The slot of an operator of this topology, for any number: a plan does not know how many there are."""
        with self.guard:
            return number % len(TOPOLOGIES[self.topology])

    def end(self, slot: int, number: signal.Signals) -> None:
        """End the operator of a slot by a signal, if there is one."""
        with self.guard:
            process = self.running.pop(slot, None)
        # Not under the guard: it may take half a minute.
        if process is not None:
            process.end(number)

    def revive(self) -> None:
        """Start those anew that have ended because of what a restart may mend."""
        for process in self.now_running():
            if process.has_given_up:
                with self.guard:
                    if self.running.get(process.slot) is process:
                        process.is_meant_to_end, process.ended_at = True, time.time()
                        del self.running[process.slot]
                        self.start(process.slot)

    def start_topology(self, name: str) -> None:
        """Start the operators of a topology."""
        with self.guard:
            self.topology = name
            for slot in range(len(TOPOLOGIES[name])):
                self.start(slot)

    def end_operators(self) -> None:
        """Kill those that run, and start no other: what is still under way in a soak that has failed may try."""
        self.is_over = True
        for slot in range(SLOTS):
            self.end(slot, signal.SIGKILL)

    def add_fault(self, **options: Any) -> Callable[[], None]:  # noqa: ANN401 - Fault's own fields
        """Inject a fault between each operator and the API server; what is returned clears it."""
        added = [(slot.proxy, slot.proxy.add(Fault(**options))) for slot in self.slots]

        def end() -> None:
            for proxy, fault in added:
                proxy.clear(fault)

        return end

    def serve(self, backup: Backup, document: dict[str, Any]) -> None:
        """Let Astra Control serve a document of a backup, and remember that it did."""
        with self.astra.lock:
            self.documents.setdefault(backup.id, []).append(document)
            backup.serve_raw(json.dumps(document).encode())

    def note_secret(self, namespace: str, name: str) -> None:
        """Note that a Secret is about to change."""
        self.secret_changes.setdefault((namespace, name), []).append(time.time())

    def log(self, text: str) -> None:
        """Note something in the folder, with its time."""
        with (self.folder / "soak.log").open("a") as out:
            print(json.dumps({"time": round(time.time(), 3), "text": text}), file=out)


def _install(plane: ControlPlane) -> None:
    plane.kubectl("apply", "-k", str(_ROOT / "manifests" / "default"))
    plane.kubectl("wait", "--for=condition=Established", "crd/appbackuprefs.astra-mirror.io")
    plane.kubectl("apply", "-f", "-", stdin=_role())


def _role() -> str:
    """What the administrator adds to the shipped role, as JSON for kubectl."""
    metadata = {"name": "soak-secret-names"}
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": list(ALLOWED_NAMES)}
    subject = {"kind": "ServiceAccount", "name": "astra-mirror", "namespace": "astra-mirror-system"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", **metadata}
    version = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": metadata}
    rules = [rule | {"verbs": ["get", "list", "watch"]}]
    documents = [
        {**version, "kind": "ClusterRole", "rules": rules},
        {**version, "kind": "ClusterRoleBinding", "roleRef": reference, "subjects": [subject]},
    ]
    return "\n---\n".join(map(json.dumps, documents))


def _slot(stack: ExitStack, plane: ControlPlane, number: int) -> Slot:
    certificate, key = plane.certificate_for("127.0.0.1", f"slot-{number}.example")
    tcp = stack.enter_context(TCPProxy(_port(plane.url)))
    url = f"https://127.0.0.1:{tcp.port}"
    proxy = stack.enter_context(FaultProxy(url, authority=plane.authority_pem, certificate=certificate, key=key))
    return Slot(proxy, tcp, plane.kubeconfig_for("astra-mirror-system", "astra-mirror", server=proxy.url))


def _places(stack: ExitStack, plane: ControlPlane, tcp: TCPProxy, seed: int) -> Places:
    certificate, key = plane.certificate_for("127.0.0.1")
    plain = f"http://127.0.0.1:{tcp.port}"
    tls = stack.enter_context(FaultProxy(plain, certificate=certificate, key=key))
    raw = stack.enter_context(RawServer(_echo(seed)))
    held = stack.enter_context(HeldLists(seconds=_HELD_SECONDS))
    echo = stack.enter_context(EchoServer())
    # Bound, so that nobody else gets the port, and not listening.
    taken = stack.enter_context(socket.socket())
    taken.bind(("127.0.0.1", 0))
    closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
    other = trustme.CA().cert_pem.bytes().decode()
    own = certificate.read_text().partition("-----END CERTIFICATE-----")
    return Places(
        plain, tls.url, raw.url, held.url, echo.url, closed, plane.authority_pem, own[0] + own[1] + "\n", other
    )


def _echo(seed: int) -> bytes:
    """An answer that no HTTP library reads, with tokens where one might quote them."""
    token = token_of(0, seed)
    return f"HTTP/1.1 200 OK\r\nContent-Encoding: {token}\r\nX-{token} {token}\r\n\r\n{token}".encode()


def _port(url: str) -> int:
    return urlsplit(url).port or 0
