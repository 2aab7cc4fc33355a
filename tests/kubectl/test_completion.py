"""Completion as the shell asks kubectl for it, which asks `kubectl_complete-abr`."""

from tests.e2e.user import User
from tests.kubectl.plugin import Plugin
from tests.kubectl.statuses import write_monitor, write_ref


def _completions(plugin: Plugin, *words: str) -> list[str]:
    ended = plugin.shell(f"kubectl __complete abr {' '.join(repr(each) for each in words)}")
    assert ended.returncode == 0, ended.stderr
    *found, directive = ended.stdout.splitlines()
    assert directive == ":4"
    return [each.split("\t")[0] for each in found]


def test_what_completes(plugin: Plugin, user: User) -> None:
    """Commands, flags, names, namespaces, contexts, formats."""
    write_ref(user, "nightly", None)
    write_ref(user, "weekly", None)
    write_monitor(user, "shop", None)
    assert _completions(plugin, "") == ["import", "list", "poll", "wait", "watch", "why"]
    assert _completions(plugin, "w") == ["wait", "watch", "why"]
    assert _completions(plugin, "wait", "") == ["nightly", "weekly", "abm/shop"]
    assert _completions(plugin, "wait", "weekly", "n") == ["nightly"]
    assert _completions(plugin, "why", "abm/") == ["abm/shop"]
    assert _completions(plugin, "import", "--monitor", "") == ["shop"]
    assert _completions(plugin, "wait", "--tim") == ["--timeout"]
    assert _completions(plugin, "list", "-n", "test-").count(user.namespace) == 1
    assert _completions(plugin, "--context", "") == ["astra-mirror-dev"]
    assert _completions(plugin, "list", "-o", "") == ["json"]


def test_nothing_garbles_the_prompt(plugin: Plugin) -> None:
    """Neither a cluster that does not answer, nor a kubeconfig that is none."""
    for path in ("/nowhere", "/dev/null"):
        plugin.environment["KUBECONFIG"] = path
        ended = plugin.shell("kubectl_complete-abr wait ''")
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, ":4\n", "")
