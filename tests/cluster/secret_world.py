"""A store of Secrets between a fake API server and a fake engine, in virtual time."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.secret_wire import Page, ReadError, WatchEvent
from astra_mirror.cluster.secrets import SecretResult, SecretStore
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.secret_content import Content, content_of
from astra_mirror.core.secret_names import NamespacedName, SecretSelector
from astra_mirror.core.urls import AllowedURL

DEFAULT = "astra-control"
TOKEN = "a-good-token"
ALLOWED = (AllowedURL.parse("https://*.netapp.io"),)


def keys(token: str = TOKEN, **others: str) -> dict[str, str]:
    """The data of a Secret, as the API server has it; an underscore in a key stands for a dot."""
    plain = {"url": "https://a.netapp.io", "token": token} | {k.replace("_", "."): v for k, v in others.items()}
    return {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}


@dataclass(eq=False)
class FakeWatch:
    """A watch that lasts as long as requested."""

    selector: SecretSelector
    seconds: float
    events: asyncio.Queue[WatchEvent | Exception] = field(default_factory=asyncio.Queue)
    is_closed: bool = False

    async def __aiter__(self) -> AsyncIterator[WatchEvent]:
        """The events."""
        try:
            async with asyncio.timeout(self.seconds):
                while True:
                    event = await self.events.get()
                    if isinstance(event, Exception):
                        raise event
                    yield event
        except TimeoutError:
            return

    def close(self) -> None:
        """Record that the watch was closed."""
        self.is_closed = True


class FakeServer:
    """The API server: Secrets with versions, a role, and faults."""

    def __init__(self) -> None:
        self.data: dict[NamespacedName, dict[str, str]] = {}
        self.version = 1
        self.forbids: Callable[[str], bool] = lambda _: False
        self.list_fault: BaseException | None = None
        self.watch_fault: BaseException | None = None
        self.get_fault: Callable[[NamespacedName], BaseException | None] = lambda _: None
        self.delay = 0.001
        self.swallows = False
        self.watches: list[FakeWatch] = []
        self.asked: list[tuple[float, str, object]] = []
        self.under_way = self.most_under_way = 0

    def write(self, namespace: str, name: str = DEFAULT, data: Mapping[str, str] | None = None) -> None:
        """Create a Secret, or replace its content."""
        secret, self.version = NamespacedName(namespace, name), self.version + 1
        self.data[secret] = dict(keys() if data is None else data)
        self._tell(secret, content_of(self.data[secret]))

    def delete(self, namespace: str, name: str = DEFAULT) -> None:
        """Delete a Secret."""
        secret, self.version = NamespacedName(namespace, name), self.version + 1
        del self.data[secret]
        self._tell(secret, None)

    def _tell(self, secret: NamespacedName, content: Content | None) -> None:
        for watch in self.open_watches():
            if watch.selector.matches(secret):
                told = WatchEvent(str(self.version), None, None) if self.swallows else None
                watch.events.put_nowait(told or WatchEvent(str(self.version), secret, content))

    def fail(self, fault: BaseException | None) -> None:
        """Let every request fail with this error from now on; None ends the fault."""
        self.list_fault = self.watch_fault = fault
        self.get_fault = lambda _: fault

    def open_watches(self) -> list[FakeWatch]:
        """The watches that nobody has closed."""
        return [each for each in self.watches if not each.is_closed]

    def break_watches(self, error: Exception) -> None:
        """End every watch with an error."""
        for watch in self.open_watches():
            watch.events.put_nowait(error)

    def times(self, kind: str) -> list[float]:
        """The times of the requests of one kind: `list`, `watch`, or `get` for a single Secret."""
        return [at for at, each, _ in self.asked if each == kind]

    async def _ask(self, kind: str, what: SecretSelector | NamespacedName, fault: BaseException | None) -> None:
        loop = asyncio.get_running_loop()
        self.asked.append((loop.time(), kind, what))
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        try:
            await asyncio.sleep(self.delay)
        finally:
            self.under_way -= 1
        if fault is not None:
            raise fault
        if self.forbids(what.name):
            raise ReadError("403 Forbidden", 403)

    async def page(self, selector: SecretSelector, limit: int, token: str | None = None) -> Page:
        """A page of a list; the token is the number of Secrets before it."""
        await self._ask("list", selector, self.list_fault)
        found = sorted(secret for secret in self.data if selector.matches(secret))
        start = int(token or 0)
        part = found[start : start + limit]
        more = str(start + limit) if start + limit < len(found) else None
        return Page(
            {secret: content_of(self.data[secret]) for secret in part}, str(self.version), more, 1000 * len(part)
        )

    async def get(self, secret: NamespacedName) -> Content | None:
        """One Secret."""
        await self._ask("get", secret, self.get_fault(secret))
        return content_of(self.data[secret]) if secret in self.data else None

    async def watch(self, selector: SecretSelector, version: str, seconds: int) -> FakeWatch:
        """Open a watch."""
        await self._ask("watch", selector, self.watch_fault)
        watch = FakeWatch(selector, seconds)
        self.watches.append(watch)
        if version != str(self.version):
            # What has happened since that version.
            for secret in self.data:
                if selector.matches(secret):
                    watch.events.put_nowait(WatchEvent(str(self.version), secret, content_of(self.data[secret])))
        return watch


class Away(Availability):
    """The availability of the API server, as the test sets it."""

    def __init__(self) -> None:
        super().__init__()
        self.suspected = 0

    @property
    def is_away(self) -> bool:
        """Whether the API server is away."""
        return not self._back.is_set()

    def request_probe(self) -> None:
        """Count the request."""
        self.suspected += 1

    def leave(self) -> None:
        """Let the API server be away from now on."""
        self._back.clear()

    def come_back(self) -> None:
        """Let the API server be available from now on."""
        self._back.set()


class SecretWorld:
    """A store between the two; `changed` records the reports to the engine, with their times."""

    def __init__(self, namespaces: Sequence[str] = ()) -> None:
        self.server = FakeServer()
        self.availability = Away()
        self.changed: list[tuple[float, str, str]] = []
        self.store = SecretStore(
            self.server, self.availability, namespaces=namespaces, allowed=ALLOWED, changed=self._changed
        )

    def _changed(self, namespace: str, name: str) -> None:
        self.changed.append((asyncio.get_running_loop().time(), namespace, name))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the store during a `with` block."""
        task = asyncio.get_running_loop().create_task(self.store.run())
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.store.close()

    def answer(self, namespace: str, name: str = DEFAULT) -> SecretResult:
        """The result that the engine gets."""
        return self.store.connection(namespace, name)

    def reason(self, namespace: str, name: str = DEFAULT) -> SyncReason | None:
        """The reason of the failure; None while no result is known."""
        answer = self.answer(namespace, name)
        assert not isinstance(answer, Connection)
        return answer.reason if answer else None

    def token(self, namespace: str, name: str = DEFAULT) -> str:
        """The token of the connection."""
        answer = self.answer(namespace, name)
        assert isinstance(answer, Connection), answer
        return answer.token

    def message(self, namespace: str, name: str = DEFAULT) -> str:
        """The message that the ref shows."""
        answer = self.answer(namespace, name)
        assert isinstance(answer, Failed)
        return answer.message

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until the condition holds."""
        for _ in range(100_000):
            if holds():
                return
            await asyncio.sleep(1)
        raise TimeoutError
