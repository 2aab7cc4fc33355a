"""`kubectl abr why`: a paragraph and the next step, which leads on."""

import re

from dev.simulator import Simulator
from tests.e2e.user import User
from tests.kubectl.plugin import Plugin
from tests.operator_process import StartOperator


def test_from_a_missing_secret_to_a_backup(
    plugin: Plugin, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """What an administrator reads on the way: no operator, no Secret, a name that the role forbids, a wrong token."""
    backup = astra.add_backup("stuck", seconds=0.001)
    user.ref("mine", backup)
    first = plugin.run("why", "mine")
    assert first.returncode == 0
    assert "waits for an operator: none has seen it yet." in first.stdout
    assert "The Secret astra-control does not exist." in first.stdout
    assert "The operator's role lets it read that Secret." in first.stdout
    assert "Next step: " in first.stdout
    start_operator("--leader-elect")
    user.wait_reason("mine", "SecretNotFound", condition="Synced")
    second = plugin.run("why", "mine")
    assert re.search(
        r"The operator is alive: its Lease astra-mirror in .* is held by \S+ and was renewed \ds ago", second.stdout
    )
    assert "Next step: Create the Secret: kubectl -n" in second.stdout
    user.secret(url=astra.url, token="a-token-that-is-wrong")
    user.wait_reason("mine", "Unauthorized", condition="Synced")
    third = plugin.run("why", "mine")
    assert "Unauthorized" in third.stdout
    assert "The Secret astra-control exists (keys: token, url)." in third.stdout
    assert "Warning SyncFailed" in third.stdout
    assert "a-token-that-is-wrong" not in third.stdout
    assert "Next step: Put a valid token into the Secret" in third.stdout
    user.secret_for(astra)
    user.wait("mine", "Synced")
    assert "Next step: Wait: kubectl abr wait mine" in plugin.run("why", "mine").stdout
    user.ref("other", backup, secretRef={"name": "mine"})
    user.kubectl("create", "secret", "generic", "mine")
    assert "The operator's role does not let it read that Secret." in plugin.run("why", "other").stdout


def test_what_the_user_may_not_see_is_said(viewer: Plugin, user: User, astra: Simulator) -> None:
    """Somebody with the role view sees the object and its Events."""
    user.ref("mine", astra.add_backup("completes", seconds=0))
    ended = viewer.run("why", "mine")
    assert ended.returncode == 0
    assert "Whether the Secret astra-control exists is not known: you may not read Secrets there." in ended.stdout
    assert "is not known: you may not ask what others may do (SubjectAccessReview)." in ended.stdout
    assert (
        "an operator is alive is not known: you may not list Leases in the namespace astra-mirror-system."
        in ended.stdout
    )
    assert "There are no Events about it." in ended.stdout


def test_there_is_no_such_object(plugin: Plugin) -> None:
    """3, with the API server's words."""
    ended = plugin.run("why", "abm/missing")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert 'appbackupmonitors.astra-mirror.io "missing" not found' in ended.stderr
    assert plugin.run("why").returncode == plugin.run("why", "a", "b").returncode == 64
