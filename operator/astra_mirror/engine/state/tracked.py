"""An object that the engine tracks: all of its state, as one frozen value. There are thousands of these."""

from typing import NamedTuple

from astra_mirror.core.schedule import shares_from
from astra_mirror.engine.kinds.kind import Spec
from astra_mirror.engine.state.cache import Cache
from astra_mirror.engine.state.desire import Desire
from astra_mirror.engine.state.identity import Identity
from astra_mirror.engine.state.polling import Polling
from astra_mirror.engine.state.reported import Reported
from astra_mirror.engine.state.texts import Texts


class Tracked(NamedTuple):
    """The state of an object, in groups. Each change creates another `Tracked`; `engine.index` has the current one."""

    identity: Identity
    desire: Desire
    texts: Texts
    reported: Reported
    polling: Polling
    cache: Cache

    @property
    def uid(self) -> str:
        """The object's uid."""
        return self.identity.uid

    @property
    def namespace(self) -> str:
        """The object's namespace."""
        return self.identity.namespace

    @property
    def spec(self) -> Spec:
        """The object's spec."""
        return self.desire.spec

    @property
    def shares_from(self) -> float:
        """From when on it shares the request of another object that is due, in monotonic seconds."""
        return shares_from(self.polling.next_poll_at, self.reported.interval)

    def but(
        self,
        *,
        desire: Desire | None = None,
        texts: Texts | None = None,
        reported: Reported | None = None,
        polling: Polling | None = None,
        cache: Cache | None = None,
    ) -> "Tracked":
        """The same object with these groups."""
        return Tracked(
            self.identity,
            desire or self.desire,
            texts or self.texts,
            reported or self.reported,
            polling or self.polling,
            cache or self.cache,
        )
