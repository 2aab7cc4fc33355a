"""What tells the engine of the objects of one kind."""

from typing import Any

from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.informer import Informer
from astra_mirror.engine.kinds.app_backup_ref import APP_BACKUP_REF


def informer(*namespaces: str) -> Informer:
    """One that has not started, and asks nothing."""
    nothing: Any = None
    return Informer(
        APP_BACKUP_REF.names,
        nothing,
        Availability(),
        objects=nothing,
        namespaces=namespaces,
        engine=nothing,
        kopf_started=lambda: None,
    )


async def test_each_scope_has_a_watch() -> None:
    """Without namespaces all of them are one; the periodic list goes through all scopes in turn."""
    for namespaces, watches in ((), 1), (("one",), 1), (("one", "two"), 2):
        tasks = list(informer(*namespaces).tasks())
        assert [name for _, name in tasks] == ["periodic list"] + ["watch"] * watches
        for work, _ in tasks:
            work.close()


async def test_the_first_scope_that_is_not_watched_is_the_reason() -> None:
    """The operator is not ready before it knows all objects."""
    assert informer("one", "two").not_ready_reason == "the AppBackupRefs of the namespace one have not been listed yet"
