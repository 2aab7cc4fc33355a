"""After the faults: what is right, quiet and gone is no finding, and everything else is one."""

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Final

from dev.faultproxy.faults import Request, Requests
from dev.simulator.store import Store
from dev.soak.client import REFS, Answer, OwnWrites, ref_path
from dev.soak.history import Version
from dev.soak.settled import Settling

_TIME: Final = "2026-11-25T10:00:00Z"
_ID: Final = "00000000-0000-4000-8000-000000000000"
_SPEC: Final = {"accountID": _ID, "appID": _ID, "backupID": _ID, "suspend": True}
_CONDITIONS: Final = (("Ready", "Unknown"), ("Synced", "Unknown"), ("Succeeded", "Unknown"), ("Finished", "False"))
_SOON_SECONDS: Final = 60.0
Object = dict[str, Any]


def _ref(name: str = "ref", **spec: Any) -> Object:
    """A ref whose status is that of a suspended one."""
    words = {"reason": "Suspended", "message": "Words.", "lastTransitionTime": _TIME, "observedGeneration": 1}
    conditions = [{"type": kind, "status": status, **words} for kind, status in _CONDITIONS]
    metadata = {"namespace": "ns", "name": name, "uid": name, "generation": 1, "resourceVersion": "1"}
    status = {"observedGeneration": 1, "conditions": conditions}
    return {"metadata": metadata, "spec": _SPEC | spec, "status": status}


class _Cluster:
    """An API server's objects: refs, no Secrets, and namespaces that are gone as soon as they are deleted."""

    def __init__(self, *refs: Object) -> None:
        self.own = OwnWrites()
        self.deleted: list[str] = []
        self._refs = list(refs)

    def list(self, path: str) -> tuple[list[Object], str]:
        return (self._refs if path == REFS else []), "1"

    def call(self, method: str, path: str, _: Object | None = None) -> Answer:
        if method == "DELETE":
            self.deleted.append(path.rpartition("/")[2])
        return Answer(200 if method == "DELETE" else 404, {})


def _settling(cluster: _Cluster, *versions: Version, requests: Sequence[Request] = ()) -> Settling:
    log = Requests()
    for each in requests:
        log.append(each)
    stage: Any = SimpleNamespace(
        astra=Store(),
        seed=1,
        client=cluster,
        topology="one",
        slots=[SimpleNamespace(proxy=SimpleNamespace(requests=log))],
        running={},
        log=lambda _: None,
    )
    by_name = {name: [each for each in versions if each.name == name] for name in {each.name for each in versions}}
    history: Any = SimpleNamespace(versions=lambda: by_name)
    return Settling(stage, history)


def test_what_is_right_is_not_waited_for() -> None:
    """Nor is anybody nudged."""
    settling = _settling(_Cluster(_ref()))
    assert settling.until_right() == []
    assert settling.nudged == set()


def test_one_of_two_may_be_backing_off() -> None:
    """Though what is there now is right: it is asked for, once, unless it is suspended or gone."""
    failed, right = _ref("a", suspend=False), _ref("a", suspend=False)
    failed["status"]["conditions"][1] |= {"status": "False", "reason": "Unreachable"}
    now = time.time()
    long_ago = [Version(now - 200, {**failed, "metadata": {**failed["metadata"], "name": "b"}}, follows=True)]
    long_ago.append(Version(now - 190, {**right, "metadata": {**right["metadata"], "name": "b"}}, follows=True))
    lately = [Version(now - 200, failed, follows=True), Version(now - 100, right, follows=True)]
    settling = _settling(_Cluster(), *long_ago, *lately)
    settling.ask_rivals()
    assert settling.nudged == {"ns/a"}


def test_quiet_is_no_finding() -> None:
    """Everything was written before."""
    old = Version(time.time(), _ref(), follows=True)
    assert _settling(_Cluster(_ref()), old).until_quiet(0.0) == []


def test_writes_in_the_quiet_time_are_found() -> None:
    """Those that changed something, and those that did not."""
    soon = time.time() + _SOON_SECONDS
    times = (("ref", 0.0), ("ref", soon), ("other", 0.0))
    versions = [Version(at, _ref(name), follows=True) for name, at in times]
    patches = [Request("PATCH", ref_path("ns", name, "status"), "", at=at) for name, at in (*times, ("other", soon))]
    found = _settling(_Cluster(_ref()), *versions, requests=patches).until_quiet(0.0)
    assert {each.subject: each.text for each in found} == {
        "ns/ref": "1 versions and 1 PATCHes within 0s",
        "ns/other": "0 versions and 1 PATCHes within 0s",
    }


def test_what_is_not_right_any_more_is_found() -> None:
    """With its last versions."""
    changed = _ref(suspend=False)
    version = Version(0.0, changed, follows=True)
    (found,) = _settling(_Cluster(changed), version).until_quiet(0.0)
    assert found.text == "Synced is Suspended and not SecretNotFound: Words."
    assert found.around == (version,)


def test_a_ref_that_outlives_its_namespace_is_found() -> None:
    """All namespaces of the soak are deleted."""
    empty, left = _Cluster(), _Cluster(_ref())
    assert _settling(empty).empty() == []
    assert {"soak-a", "soak-still-0"} <= set(empty.deleted)
    assert [each.subject for each in _settling(left).empty()] == ["ref"]
