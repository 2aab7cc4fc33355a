"""The watches on Secrets: what each has come to, and what is read alone while a list fails.

One Secret that cannot be decrypted makes the API server refuse every list of Secrets. So the Secrets in use are then
read one by one, and that one stops nobody else.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.secret_contents import SecretContents
from astra_mirror.cluster.secret_watch import (
    Asking,
    Broken,
    Changed,
    Follower,
    News,
    Read,
    ReadAll,
    Reads,
    Waiting,
    Watching,
)
from astra_mirror.cluster.secret_wire import ReadError
from astra_mirror.core.secret_names import Pair, Watched
from astra_mirror.core.secret_reading import Finding, Reading
from astra_mirror.support.slots import Slots
from astra_mirror.support.time_slices import Turn

_SLOTS: Final = 8
"""How many watches may be begun at once: after the API server's return not all begin together."""
_KNOWN_AGAIN_SECONDS: Final = 45.0
_UNKNOWN_AGAIN_SECONDS: Final = 15.0
"""After how long a Secret is read alone again that has been read before, or has not."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Followed:
    """A watch: `owner` is the namespace whose turn it takes, `finding` what counts since the last second."""

    owner: str
    task: asyncio.Task[None]
    reading: Reading = field(default_factory=Reading)
    finding: Finding | None = None
    is_broken: bool = False


class Following:
    """The Secret names that are followed.

    Args:
        reads: the API server's Secrets.
        availability: whether the API server is away.
        contents: takes in what is read.
        review: called with a name about whose Secrets something else may be known now.
    """

    def __init__(
        self,
        reads: Reads,
        availability: Availability,
        contents: SecretContents,
        review: Callable[[Watched], None],
    ) -> None:
        self._reads = reads
        self._availability = availability
        self._contents = contents
        self._review = review
        self._slots = Slots(_SLOTS)
        self._followed: dict[Watched, _Followed] = {}
        self._alone_at: dict[Pair, float] = {}

    def __contains__(self, watched: Watched) -> bool:
        return watched in self._followed

    def __iter__(self) -> Iterator[Watched]:
        return iter(self._followed)

    def reading(self, watched: Watched) -> Reading:
        """What reading that name has come to."""
        return self._followed[watched].reading

    def start(self, watched: Watched, owner: str) -> None:
        """Follow a name from now on."""
        self._followed[watched] = _Followed(owner, self._task(watched, owner))

    def stop(self, watched: Watched) -> None:
        """Follow it no longer, and forget its Secrets; does nothing to one that is not followed."""
        followed = self._followed.pop(watched, None)
        if followed is not None:
            followed.task.cancel()
            self._contents.drop(watched)

    async def close(self) -> None:
        """Stop following all."""
        tasks = [each.task for each in self._followed.values()]
        for watched in list(self._followed):
            self.stop(watched)
        await asyncio.gather(*tasks, return_exceptions=True)

    def forbidden(self, now: float) -> list[Watched]:
        """The names that the role has forbidden for long enough."""
        return [each for each, followed in self._followed.items() if followed.reading.finding(now) is Finding.FORBIDDEN]

    def judge(self, now: float) -> None:
        """Review the names whose reading has failed for long enough; restart the watches that a defect has ended."""
        for watched, followed in self._followed.items():
            finding = followed.reading.finding(now)
            # While a list fails, its Secrets come to different ends one by one.
            if finding is not followed.finding or finding is Finding.FAILING:
                followed.finding = finding
                self._review(watched)
            if followed.task.done() and not followed.task.cancelled():
                logger.error(
                    "Secrets named %r are followed anew after a defect",
                    watched.name,
                    exc_info=followed.task.exception(),
                )
                followed.task = self._task(watched, followed.owner)

    def read_alone(self, users: Callable[[Watched], Iterable[str]], now: float) -> None:
        """Let the Secrets in use be read one by one whose list has failed for long enough."""
        for watched, followed in self._followed.items():
            if followed.finding is Finding.FAILING:
                for namespace in users(watched):
                    self._read_alone(Pair(namespace, watched.name), followed.reading.failing_since, now)

    def _read_alone(self, pair: Pair, since: float | None, now: float) -> None:
        if self._alone_at.get(pair, now) <= now:
            is_known = self._contents.counted(pair) is not None
            self._alone_at[pair] = now + (_KNOWN_AGAIN_SECONDS if is_known else _UNKNOWN_AGAIN_SECONDS)
            self._contents.read(pair, since)

    def prune(self, now: float) -> None:
        """Forget what nobody needs any more."""
        self._alone_at = {pair: at for pair, at in self._alone_at.items() if at > now}
        for watched, followed in self._followed.items():
            if followed.reading.is_read:
                self._contents.prune(watched, now)

    def _task(self, watched: Watched, owner: str) -> asyncio.Task[None]:
        follower = Follower(self._reads, watched, availability=self._availability, slots=self._slots, owner=owner)
        return asyncio.get_running_loop().create_task(self._take_in(watched, follower), name=f"Secrets {watched.name}")

    async def _take_in(self, watched: Watched, follower: Follower) -> None:
        async with aclosing(follower.news()) as news:
            async for each in news:
                followed = self._followed[watched]
                now = asyncio.get_running_loop().time()
                if isinstance(each, Read):
                    await self._take_page(followed, each, now)
                else:
                    self._take(watched, followed, each, now)

    async def _take_page(self, followed: _Followed, page: Read, now: float) -> None:
        followed.reading = followed.reading.progressed()
        turn = Turn()
        for pair, content in page.found.items():
            await turn.may_end()
            self._contents.offer(pair, content, now, was_absent=followed.reading.is_read)

    def _take(self, watched: Watched, followed: _Followed, news: News, now: float) -> None:
        match news:
            case Asking():
                followed.reading = followed.reading.begun(now)
            case Waiting():
                followed.reading = followed.reading.interrupted()
                self._contents.interrupt()
            case ReadAll(found):
                followed.reading = followed.reading.succeeded()
                self._contents.read_all(watched, found, now)
                self._review(watched)
            case Watching():
                if followed.is_broken:
                    logger.info("Secrets named %r are followed again", watched.name)
                followed.is_broken = False
            case Changed(pair, content):
                self._contents.offer(pair, content, now, was_absent=True)
            case Broken(error, in_list):
                self._broken(watched, followed, error, now, in_list=in_list)

    def _broken(self, watched: Watched, followed: _Followed, error: ReadError, now: float, *, in_list: bool) -> None:
        if error.is_refusal:
            followed.reading = followed.reading.refused(now)
        elif in_list:
            followed.reading = followed.reading.failed(now)
        # What the role forbids the refs show; that a version has expired is in the nature of versions.
        if not followed.is_broken and not error.is_refusal and not error.is_expired:
            logger.warning("Secrets named %r cannot be followed, trying again: %s", watched.name, error)
            followed.is_broken = True
