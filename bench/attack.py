"""A hostile tenant: one namespace that does its worst, as far as a namespace's own rights go.

What it does is in `Attack.run`, each in a loop until the attack ends; how much of it is in `Load`. It holds what is its
own right only: objects of its namespace. That its PATCHes are never answered is the fault proxy's part, as a webhook or
a policy of its own would do it.
"""

import asyncio
import base64
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import trustme

from bench import world
from dev.faultproxy import FaultProxy
from dev.simulator.model import uuid_of

NAMESPACE: Final = "hostile"
HELD_NAME: Final = "held"
"""A Secret name that the administrator's role allows as well: its lists are held."""
LARGE_NAME: Final = "large"
"""Another one: its lists are large."""
BUNDLE_NAME: Final = "bundle"
"""Another one: its ca.crt is edited again and again."""
SLOW_NAME: Final = "slow-{}"
_REFS: Final = f"/apis/astra-mirror.io/v1/namespaces/{NAMESPACE}/appbackuprefs"
_SECRETS: Final = f"/api/v1/namespaces/{NAMESPACE}/secrets"


@dataclass(frozen=True)
class Load:
    """How much of everything.

    Attributes:
        refs: that are asked for every second, over `apps` apps in `accounts` accounts.
        held: refs whose app's list is held, four an app.
        edits: of each of two Secrets, a second; each with close to 1 MiB in it.
        lies: edits of its own refs' statuses, a second.
        large: accounts with a list of almost a MiB each, which is another one each time; four refs an account.
        names: Secrets that name a host whose look-up is not answered; 0 where there is no such resolver.
        hangs: seconds of every twenty in which its PATCHes are never answered.
    """

    refs: int = 2000
    apps: int = 40
    accounts: int = 4
    held: int = 320
    large: int = 60
    edits: float = 3.0
    lies: float = 20.0
    names: int = 0
    hangs: float = 10.0


@dataclass
class Attack:
    """An attack that is under way; `done` counts what was done.

    Args:
        cluster: the API server, as its administrator, past the fault proxy.
        proxy: the fault proxy that the operator goes through.
        content: the hostile Secret's url and token: the victim's own for an equal connection.
        equal: whether the Secret has to stay equal to the victim's; else it is of no use at times.
        held_url: the server whose lists are held.
        tls_url: Astra Control by TLS, for a Secret whose ca.crt is edited.
        authority: who has issued its certificate, in PEM format.
    """

    cluster: world.Cluster
    proxy: FaultProxy
    content: dict[str, str]
    equal: bool
    held_url: str
    tls_url: str
    authority: str
    load: Load = field(default_factory=Load)
    done: dict[str, int] = field(default_factory=dict)

    async def prepare(self, specs: list[dict[str, str]]) -> None:
        """Make the namespace and its refs: to those backups, which are running, and to held or large lists."""
        await self.cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        await self._secret("astra-control", self.content)
        held = {"url": self.held_url, "token": "a-token-of-the-hostile-tenant"}
        await self._secret(HELD_NAME, held)
        await self._secret(LARGE_NAME, held | {"token": "another-token-of-the-hostile-tenant"})
        await self._secret(BUNDLE_NAME, {"url": self.tls_url, "token": self.content["token"], "ca.crt": self.authority})
        await self._refs(BUNDLE_NAME, [{**specs[0], "interval": "1s", "secretRef": {"name": BUNDLE_NAME}}])
        await self._refs("r", [{**each, "interval": "1s"} for each in specs])
        await self._refs("held", [_held(number) for number in range(self.load.held)])
        await self._refs("large", [_large(number) for number in range(4 * self.load.large)])
        for number in range(self.load.names):
            name = SLOW_NAME.format(number)
            await self._secret(name, {"url": f"https://n{number}.slow.netapp.io", "token": held["token"]})
            await self._refs(name, [{**_held(number), "secretRef": {"name": name}}])

    async def _refs(self, name: str, specs: list[dict[str, Any]]) -> None:
        kind = {"apiVersion": "astra-mirror.io/v1", "kind": "AppBackupRef"}
        await self.cluster.many(
            ("POST", _REFS, {**kind, "metadata": {"name": f"{name}-{number:05}"}, "spec": spec})
            for number, spec in enumerate(specs)
        )

    async def _secret(self, name: str, content: dict[str, str]) -> None:
        await self.cluster.call("POST", _SECRETS, {"metadata": {"name": name}, "stringData": content})

    async def run(self) -> None:
        """Do all of it until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._loop("secret edits", self.load.edits, self._edit_secret))
            tasks.create_task(self._loop("status edits", self.load.lies, self._lie))
            tasks.create_task(self._hang())

    async def _loop(self, name: str, rate: float, act: Callable[[int], Awaitable[None]]) -> None:
        number = 0
        while rate:
            number += 1
            await act(number)
            self.done[name] = number
            await asyncio.sleep(1 / rate)

    async def _edit_secret(self, number: int) -> None:
        """A megabyte of a key that nobody reads; and every other time another bundle, or one that is none."""
        data = {"padding": base64.b64encode(f"{number} ".encode() + b"x" * 700_000).decode()}
        if not self.equal and number % 2:
            data["ca.crt"] = base64.b64encode(b"-----BEGIN CERTIFICATE-----" * (number % 9 * 1000)).decode()
        await self.cluster.call("PATCH", f"{_SECRETS}/astra-control", {"data": data})
        bundle = self.authority.encode() + trustme.CA().cert_pem.bytes()
        data = {"ca.crt": base64.b64encode(bundle).decode(), "padding": data["padding"][:800_000]}
        await self.cluster.call("PATCH", f"{_SECRETS}/{BUNDLE_NAME}", {"data": data})

    async def _lie(self, number: int) -> None:
        path = f"{_REFS}/r-{number % self.load.refs:05}/status"
        lie = {"state": "completed", "hookState": f"lie {number}", "conditions": []}
        await self.cluster.call("PATCH", path, {"status": lie})

    async def _hang(self) -> None:
        while self.load.hangs:
            with self.proxy.fault(kind="hang", verb="patch", namespace=NAMESPACE):
                await asyncio.sleep(self.load.hangs)
            await asyncio.sleep(20 - self.load.hangs)


def _held(number: int) -> dict[str, Any]:
    """A ref to a backup of a server whose lists are held; four an app, so that its list is asked for."""
    ids = {"accountID": uuid_of(f"held account {number // 4 % 8}"), "appID": uuid_of(f"held app {number // 4}")}
    backup = str(uuid.UUID(int=number + 1, version=4))
    return {**ids, "backupID": backup, "interval": "1s", "secretRef": {"name": HELD_NAME}}


def large_account(number: int) -> str:
    """The ID of one of the accounts whose lists are large."""
    return uuid_of(f"large account {number}")


def _large(number: int) -> dict[str, Any]:
    account = {"accountID": large_account(number // 4), "secretRef": {"name": LARGE_NAME}}
    return {**_held(10_000 + number), **account}


def role(names: int) -> str:
    """What the administrator adds to the shipped role for the tenant's other Secret names, as JSON for kubectl."""
    metadata = {"name": "hostile-secret-names"}
    allowed = [HELD_NAME, LARGE_NAME, BUNDLE_NAME, *(SLOW_NAME.format(number) for number in range(names))]
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": allowed, "verbs": ["get", "list", "watch"]}
    subject = {"kind": "ServiceAccount", "name": "astra-mirror", "namespace": "astra-mirror-system"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", **metadata}
    version = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    documents = [
        {**version, "kind": "ClusterRole", "metadata": metadata, "rules": [rule]},
        {**version, "kind": "ClusterRoleBinding", "metadata": metadata, "roleRef": reference, "subjects": [subject]},
    ]
    return "\n---\n".join(map(json.dumps, documents))
