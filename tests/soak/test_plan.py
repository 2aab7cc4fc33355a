"""A seed says it all, and its log says it again."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dev.soak import contents
from dev.soak.actions import Script
from dev.soak.backups import ACCOUNTS
from dev.soak.doing import ACTIONS, astra, lies, tenant
from dev.soak.people import LATE, LIES, RESTRICTED, STILL
from dev.soak.plan import plan
from dev.soak.topology import PLACES
from dev.soak.trouble import BODY_NAMES, TENANT

_WITH_A_CONTEXT = {"tls", "tls-both", "tls-none", "tls-own", "tls-wrong", "toolkit"}


def test_a_seed_makes_the_same_script_again() -> None:
    """And another seed another one."""
    assert plan(7, 60) == plan(7, 60)
    assert plan(7, 60) != plan(8, 60)


def test_every_name_in_a_plan_has_its_deed() -> None:
    """A name that is missing would fail in mid-run; one that no plan uses would be dead."""
    assert set(LIES) == set(lies.BY_NAME)
    assert {*BODY_NAMES, "echo-problem"} == set(astra.BODIES)
    assert set(TENANT) == set(tenant.ACTIONS)


def test_a_log_replays_its_script(tmp_path: Path) -> None:
    """What is written is what is read."""
    script = plan(7, 60)
    log = tmp_path / "log"
    log.write_text("\n".join(script.lines()))
    assert Script.read(log) == script


@pytest.mark.parametrize("seed", range(20))
def test_everything_ends_before_the_quiet_time(seed: int) -> None:
    """A quarter of the run at the end, a minute at the most, is without faults; each action is one that there is."""
    for seconds, quiet in ((60.0, 15.0), (600.0, 60.0)):
        script = plan(seed, seconds)
        assert {each.do for each in script.actions} <= set(ACTIONS)
        assert max(each.at + each.seconds for each in script.actions) <= seconds - quiet + 0.01


def test_each_action_comes_up() -> None:
    """In twenty runs of ten minutes each action occurs, so that none is dead code."""
    seen = Counter(each.do for seed in range(20) for each in plan(seed, 600).actions)
    assert set(seen) == set(ACTIONS)


def _key(args: Mapping[str, Any]) -> tuple[str, str]:
    return args["namespace"], args["name"]


@pytest.mark.parametrize("seed", range(5))
def test_each_content_is_there_in_each_run(seed: int) -> None:
    """With a ref that is asked for soon, whom nobody touches, and within the shares of its namespace."""
    still = [each for each in plan(seed, 60).actions if each.args.get("namespace") in STILL]
    secrets = {_key(each.args): each.args["kind"] for each in still if each.do == "secret"}
    refs = {(each.args["namespace"], each.args["spec"]["secretRef"]["name"]) for each in still if each.do == "ref"}
    late, restricted = secrets.pop(_key(LATE)), secrets.pop(_key(RESTRICTED))
    assert late in {"plain", "no-token"}
    assert restricted == "plain"
    assert sorted(secrets.values()) == sorted(contents.KINDS.keys() - contents.VAGUE.keys())
    assert refs == {*secrets, _key(LATE), _key(RESTRICTED)}
    names = Counter(namespace for namespace, _ in secrets)
    contexts = Counter(namespace for (namespace, _), kind in secrets.items() if kind in _WITH_A_CONTEXT)
    assert max(names.values()) <= PLACES
    assert max(contexts.values()) <= 2


def test_three_seeds_in_a_row_have_one_operator_two_and_shards_or_an_election() -> None:
    """What only one of them shows is met by trying three."""
    for seed in range(20):
        topologies = [plan(seed + number, 60).topology for number in range(3)]
        assert {"one", "pair"} < set(topologies)
        assert len(set(topologies)) == 3


@pytest.mark.parametrize("seed", range(12))
def test_what_has_to_stand_at_the_end(seed: int) -> None:
    """Tokens that are good for some accounts where one operator writes; a Secret that changed, where there is time."""
    for seconds in (60.0, 600.0):
        script = plan(seed, seconds)
        actions = script.actions
        last = {each.args["token"]: each.args for each in actions if each.do == "grant"}
        topologies = [script.topology, *(each.args["name"] for each in actions if each.do == "topology")]
        if topologies[-1] == "pair":
            assert all(each["accounts"] is None and not each["no_apps"] for each in last.values())
        else:
            assert all(last[token]["accounts"] is not None or last[token]["no_apps"] for token in (0, 1))
        late = [each.args["kind"] for each in actions if each.do == "secret" and _key(each.args) == _key(LATE)]
        assert late == (["plain", "no-token"] if seconds == 600 else ["plain"])


@pytest.mark.parametrize("seed", range(6))
def test_a_secret_ends_refused_for_one_account_and_good_for_two(seed: int) -> None:
    """Where one operator writes and there is time: a ref of each account is there, so that a mix-up is seen."""
    script = plan(seed, 200)
    refs = [each.args["spec"] for each in script.actions if each.do == "ref" and each.args["namespace"] == STILL[1]]
    accounts = {each["accountID"] for each in refs if each["secretRef"]["name"] == RESTRICTED["name"]}
    assert accounts == set(ACCOUNTS)
    secrets = [each.args for each in script.actions if each.do == "secret" and _key(each.args) == _key(RESTRICTED)]
    last = {each.args["token"]: each.args for each in script.actions if each.do == "grant"}
    granted = last[secrets[-1]["token"]]["accounts"]
    assert granted is None or len(granted) == len(ACCOUNTS) - 1
    topologies = [script.topology, *(each.args["name"] for each in script.actions if each.do == "topology")]
    assert (granted is None) == (topologies[-1] == "pair")


@pytest.mark.parametrize("seed", range(5))
def test_what_takes_memory_comes_before_growth_is_looked_at(seed: int) -> None:
    """In a run that is long enough to tell growth: memory that is kept for the next time is none."""
    actions = plan(seed, 600).actions
    assert set(TENANT) <= {each.do for each in actions if each.at < 120}
    assert {each.do for each in actions if each.at > 420} & set(TENANT) == {"bundles"}


@pytest.mark.parametrize("seed", range(20))
def test_operators_are_kept_while_what_they_hold_is_judged(seed: int) -> None:
    """In such a run: from the start until the most memory was taken, and from the last certificates to the end."""
    actions = plan(seed, 600).actions
    ends = [each.at for each in actions if each.do in {"kill", "stop", "topology"}]
    assert all(120 <= at < 450 for at in ends)
    assert any(each.do == "bundles" and 450 < each.at < each.at + each.seconds <= 540 for each in actions)
    assert any(each.do in {"kill", "stop"} and each.at < 120 for seed in range(20) for each in plan(seed, 200).actions)
