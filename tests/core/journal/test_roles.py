"""What is said of the operator's role: the verb that it lacks, once, and that it has it again."""

import pytest

from astra_mirror.core.journal.roles import LASTS_SECONDS, Right, RoleJournal, is_by_the_role, right_of

EVENTS = Right("create", "events", "shop")
SAYS = 'events.events.k8s.io is forbidden: User "me" cannot create resource "events" in API group "events.k8s.io"'


@pytest.mark.parametrize(
    ("method", "path", "is_watch", "right"),
    [
        ("GET", "/apis/astra-mirror.io/v1/appbackuprefs", False, ("list", "appbackuprefs", None)),
        ("GET", "/apis/astra-mirror.io/v1/appbackuprefs", True, ("watch", "appbackuprefs", None)),
        ("GET", "/apis/astra-mirror.io/v1/namespaces/shop/appbackuprefs", True, ("watch", "appbackuprefs", "shop")),
        ("GET", "/apis/astra-mirror.io/v1/namespaces/shop/appbackuprefs/a", False, ("get", "appbackuprefs", "shop")),
        (
            "PATCH",
            "/apis/astra-mirror.io/v1/namespaces/shop/appbackuprefs/a/status",
            False,
            ("patch", "appbackuprefs/status", "shop"),
        ),
        ("POST", "/apis/events.k8s.io/v1/namespaces/shop/events", False, ("create", "events", "shop")),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/b", False, ("update", "leases", "a")),
        (
            "DELETE",
            "/apis/astra-mirror.io/v1/namespaces/shop/appbackuprefs/a",
            False,
            ("delete", "appbackuprefs", "shop"),
        ),
        ("GET", "/api/v1/secrets", True, ("watch", "secrets", None)),
        ("GET", "/api/v1/namespaces/shop/secrets/a", False, ("get", "secrets", "shop")),
        # An API server behind a path, as Rancher's.
        ("GET", "/k8s/clusters/c-1/apis/astra-mirror.io/v1/appbackuprefs", False, ("list", "appbackuprefs", None)),
    ],
)
def test_what_a_request_needs(method: str, path: str, is_watch: bool, right: tuple[str, str, str | None]) -> None:
    """As RBAC names it."""
    assert right_of(method, path, is_watch=is_watch) == right


@pytest.mark.parametrize("path", ["/", "/api", "/apis", "/apis/astra-mirror.io/v1", "/version", "/readyz"])
def test_what_is_about_no_objects(path: str) -> None:
    """Those requests need no right of the role."""
    assert right_of("GET", path, is_watch=False) is None


def test_who_refuses() -> None:
    """A webhook and a quota use the same code."""
    assert is_by_the_role(SAYS)
    assert not is_by_the_role('admission webhook "policy.example" denied the request: no Events here')
    assert not is_by_the_role('events "a" is forbidden: exceeded quota: count, requested: count/events=1')


def test_a_verb_that_is_missing() -> None:
    """One line when it has lasted, for all namespaces, with the API server's words; one when it is there again."""
    journal = RoleJournal()
    assert journal.refused(EVENTS, SAYS, 100)
    assert not journal.refused(EVENTS, SAYS, 101)
    assert not journal.refused(Right("create", "events", "pay"), SAYS, 102)
    assert journal.lines(100 + LASTS_SECONDS - 1) == []
    [line] = journal.lines(100 + LASTS_SECONDS)
    assert line.level == "warning"
    assert "does not allow it to create events in the namespace shop" in line.text
    assert SAYS in line.text
    assert line.fields == {"verb": "create", "resource": "events", "namespaces": ["shop"], "reason": "RoleLacksVerb"}
    assert not journal.refused(EVENTS, SAYS, 500)
    assert journal.lines(1000) == []
    assert journal.allowed(Right("create", "events", "pay")) is None, "its role may be another one"
    again = journal.allowed(EVENTS)
    assert again is not None
    assert (again.level, again.text) == (
        "info",
        "The operator's role allows it again to create events in the namespace shop",
    )
    assert journal.allowed(EVENTS) is None
    assert journal.refused(EVENTS, SAYS, 1001)


def test_an_api_server_that_has_just_started() -> None:
    """It refuses for a moment what is allowed: nothing is said."""
    journal = RoleJournal()
    right = Right("list", "appbackuprefs", None)
    journal.refused(right, "forbidden", 0)
    assert journal.allowed(right) is None
    assert journal.lines(1000) == []


def test_a_refusal_just_after_an_outage() -> None:
    """The probe is refused once, and never sent again."""
    journal = RoleJournal()
    right = Right("get", "appbackuprefs", "default")
    journal.failed(99)
    assert not journal.refused(right, "forbidden", 100)
    assert journal.refused(right, "forbidden", 115)


@pytest.mark.parametrize(
    "right",
    [
        Right("list", "secrets", None),
        Right("create", "appbackuprefs", "shop"),
        Right("list", "appbackupmonitors", None),
        Right("watch", "appbackupmonitors", None),
    ],
)
def test_what_is_said_elsewhere(right: Right) -> None:
    """Of Secrets there is a line for each; what monitors lack, the operator does without, and says so itself."""
    journal = RoleJournal()
    journal.said_elsewhere = frozenset(
        {("create", "appbackuprefs"), *((v, "appbackupmonitors") for v in ("list", "watch"))}
    )
    assert not journal.refused(right, SAYS, 0)
    assert journal.lines(1000) == []
