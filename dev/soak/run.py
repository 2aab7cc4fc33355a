"""A whole soak: the stage, the script, what is judged, and the report."""

import shutil
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dev.soak import derived, ends, invariants, moving, seen, told, unreadable, writes
from dev.soak.actions import Script
from dev.soak.doing import tenant
from dev.soak.doing.users import make_namespace
from dev.soak.events import Events
from dev.soak.facts import SHARDED, Facts, periods
from dev.soak.findings import Finding
from dev.soak.history import History, Version
from dev.soak.lanes import Runner
from dev.soak.people import NAMESPACES, STILL
from dev.soak.process import Build, NotReadyError
from dev.soak.procfs import Use
from dev.soak.promises import Promises
from dev.soak.resources import Sampler, growth, most
from dev.soak.settled import QUIET_SECONDS, ROUND_SECONDS, Settling
from dev.soak.stage import Stage
from dev.soak.topology import SLOTS

BUILD: Final = Build()
"""This environment's operator."""
LOG: Final = "actions.jsonl"
_REST_SECONDS: Final = 6.0
_CUT_SECONDS: Final = 330.0
"""The list of every five minutes, and half a minute to act on it."""
_SHOWN: Final = 12


@dataclass
class Report:
    """How it went. `findings` is empty when all is well."""

    script: Script
    folder: Path
    findings: list[Finding] = field(default_factory=list)
    started_at: float = 0.0
    summary: dict[str, Any] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """For a person."""
        name = f"soak: seed {self.script.seed}, {self.script.seconds:g}s, {self.script.topology}"
        if not self.findings:
            return [f"{name}: clean; {', '.join(f'{value} {key}' for key, value in self.summary.items())}"]
        head = f"{name}: {len(self.findings)} findings; the operators' logs are in {self.folder}, the actions in {LOG}"
        shown = [line for each in self.findings[:_SHOWN] for line in each.lines(self.started_at)]
        more = len(self.findings) - _SHOWN
        return [head, *shown, *([f"... and {more} more"] if more > 0 else [])]


def soak(script: Script, build: Build = BUILD, *, judges_times: bool = True) -> Report:
    """Run a script. The folder of the logs is removed when nothing is found.

    Args:
        script: what happens.
        build: the operator that is put to it.
        judges_times: whether growth of memory counts and how long things take: not on a busy machine.

    Raises:
        ExceptionGroup: the soak itself has failed.
    """
    with Stage.open(script.seed, build) as stage:
        report = Report(script, stage.folder)
        (stage.folder / LOG).write_text("".join(f"{line}\n" for line in script.lines()))
        _say(f"logs are in {stage.folder}")
        stage.start_topology(script.topology)
        try:
            before = _at_rest(stage)
        except NotReadyError as error:
            report.findings.append(Finding("an operator becomes ready", "the operator", str(error)))
            return report
        _run(stage, report, before, judges_times=judges_times)
    if not report.findings:
        shutil.rmtree(report.folder, ignore_errors=True)
    return report


def _run(stage: Stage, report: Report, before: dict[str, Use], *, judges_times: bool) -> None:
    """Perform the script, and judge the outcome."""
    for name in (*NAMESPACES, *STILL, tenant.NAMESPACE):
        make_namespace(stage.client, name)
    history, events, sampler = History(stage.client), Events(stage.client, ends.tokens(stage)), Sampler(stage)
    tenant.prepare(stage)
    script = report.script
    runner = Runner(stage, script, sampler.failures)
    report.started_at = runner.started_at
    stage.cuts_from = runner.started_at + script.seconds - _CUT_SECONDS
    try:
        runner.run()
        _judge(stage, history, events, report, before, judges_times=judges_times)
    finally:
        history.stop()
        events.stop()
        sampler.stop()
    sampler.check()
    report.summary["s behind the plan at most"] = round(runner.lag, 1)
    if judges_times:
        report.findings += growth(dict(sampler.samples), runner.started_at, runner.started_at + script.seconds)
        report.findings += [finding for each in stage.healths for finding in each.findings()]


def _judge(
    stage: Stage, history: History, events: Events, report: Report, before: dict[str, Use], *, judges_times: bool
) -> None:
    """Judge the outcome: first what is there, then what was recorded, then what is left when nothing is there."""
    settling, promises = Settling(stage, history), Promises(stage, history)
    reported: set[str] = set()
    report.findings += _outcome(stage, settling, reported, judges_times=judges_times)
    if judges_times and not report.findings:
        _say("trying what is promised in seconds")
        report.findings += _promised(promises)
        report.findings += seen.check(history.versions().values(), stage.swallowed, stage.outages)
    history.until_complete()
    versions = history.versions()
    report.findings += _recorded(stage, report.script, versions)
    _say("removing everything")
    report.findings += settling.empty()
    report.findings += events.findings()
    if judges_times and not report.findings:
        report.findings += settling.until_at_rest(before)
    if judges_times and not report.findings:
        report.findings += unreadable.check(stage, history)
    for slot in range(SLOTS):
        stage.end(slot, signal.SIGTERM)
    report.findings += ends.ended(stage, reported)
    report.findings += ends.texts(stage)
    report.summary = {
        "actions": len(report.script.actions),
        "refs": len(versions),
        "versions": sum(map(len, versions.values())),
        "operators": len(stage.processes),
        "s until all was right": round(settling.seconds, 1),
        "polled on request": len(settling.nudged),
        **{f"{name} tried": number for name, number in promises.tried.items()},
        **{f"calls answered {status}": number for status, number in sorted(stage.client.refused.items())},
    }


def _outcome(stage: Stage, settling: Settling, reported: set[str], *, judges_times: bool) -> list[Finding]:
    """Whether everything becomes right and stays so; `reported` are operators whose end has been judged."""
    # One that gave up a moment ago is started anew, as it is a second later at any other time.
    stage.revive()
    for slot in range(SLOTS):
        stage.start(slot)
    _say("waiting until every status is right")
    found = ends.ended(stage, reported)
    found += settling.until_right()
    found += ends.ready(stage)
    if not found:
        if stage.topology == "pair":
            settling.ask_rivals()
        # A lie that the truth does not look at may be put right only a minute later: that is no unrest.
        found += ends.metrics(stage)
        _say("watching for writes while nothing changes")
        found += settling.until_quiet(ROUND_SECONDS if judges_times else QUIET_SECONDS)
    return found


def _promised(promises: Promises) -> list[Finding]:
    """What was broken of what is promised in seconds."""
    found = promises.repair()
    found += promises.polled()
    found += promises.refused()
    found += promises.hung()
    found += promises.comeback()
    return found + promises.words()


def _recorded(stage: Stage, script: Script, versions: Mapping[str, list[Version]]) -> list[Finding]:
    """Which version should not have been, and which request."""
    facts = _facts(stage)
    found = invariants.check(versions, facts)
    found += moving.check(versions.values(), facts)
    found += derived.check(versions.values(), stage.client.own.versions)
    found += writes.check(stage)
    return found + told.check(stage, script)


def _at_rest(stage: Stage) -> dict[str, Use]:
    """What the processes hold when there is nothing to do."""
    for process in stage.running.values():
        process.until_ready()
    # They have listed and begun their watches, and connections of the start have been closed.
    time.sleep(_REST_SECONDS)
    uses = {process.name: process.use(with_tasks=True) for process in stage.running.values()}
    return most({name: use for name, use in uses.items() if use is not None})


def _facts(stage: Stage) -> Facts:
    return Facts(
        own=stage.client.own,
        starts=tuple(process.started_at for process in stage.processes),
        documents=stage.documents,
        secrets=ends.tokens(stage),
        shared=periods(stage.starts),
        sharded=periods(stage.starts, SHARDED),
        unanswered=writes.unanswered(stage),
        secret_changes=stage.secret_changes,
        foreign=frozenset({tenant.NAMESPACE}),
    )


def _say(text: str) -> None:
    """What goes on, for whoever waits."""
    print(f"soak: {text}", file=sys.stderr, flush=True)


def say(report: Report) -> None:
    """Print it."""
    print("\n".join(report.lines()), file=sys.stderr if report.findings else sys.stdout, flush=True)
