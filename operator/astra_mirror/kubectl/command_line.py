"""The command line: its options, its help, and how each error becomes a line and an exit code.

A command's module is imported when it is run: `--help` needs none of them, and they import the HTTP client.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from http import HTTPStatus
from importlib import import_module
from typing import Any, Final

import click

from astra_mirror import __version__
from astra_mirror.kubectl.core.choice import Choice, Place
from astra_mirror.kubectl.core.exit_codes import ExitCode
from astra_mirror.kubectl.core.names import parse_name
from astra_mirror.kubectl.errors import ApiError, NoClusterError, UsageError
from astra_mirror.kubectl.options import (
    everywhere,
    import_options,
    names,
    operator_namespace,
    output,
    place_options,
    selector,
    timeout,
)
from astra_mirror.kubectl.output import prepare, warn

_COMMANDS: Final = "astra_mirror.kubectl.commands"
_TERMINATED: Final = 143
_PIPE_BROKEN: Final = 141
"""As a shell says it of a program that SIGTERM or SIGPIPE has ended."""
_POLL_SECONDS: Final = 120.0
"""A circuit breaker is probed once a minute: after two, its probe has been answered."""
_PLACE: Final = ("kubeconfig", "context", "namespace")
_NO_LIMIT: Final = "Wait no longer, such as 90s or 2h; without it there is no limit."
_LIMIT: Final = "Wait no longer for the answer."


def run(arguments: Sequence[str]) -> int:
    """Run what the command line says; the exit code."""
    prepare()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return int(group.main(list(arguments), prog_name="kubectl abr", standalone_mode=False) or ExitCode.OK)
    except click.UsageError as error:
        error.show()
        return ExitCode.USAGE
    except UsageError as error:
        warn(str(error))
        return ExitCode.USAGE
    except (NoClusterError, ApiError) as error:
        warn(str(error))
        is_bad_request = isinstance(error, ApiError) and error.code == HTTPStatus.BAD_REQUEST
        return ExitCode.USAGE if is_bad_request else ExitCode.UNDECIDED
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED


def _terminate(*_: object) -> None:
    """End as by an exception, so that the terminal gets its cursor back."""
    sys.exit(_TERMINATED)


@click.group(params=place_options(), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kubectl-abr")
def group(**_: Any) -> None:  # noqa: ANN401 - one argument for each option
    """Look at the backups that AppBackupRefs and AppBackupMonitors stand for.

    NAME is an AppBackupRef, abm/NAME an AppBackupMonitor. The cluster is found as kubectl finds it: KUBECONFIG,
    ~/.kube/config, the pod's service account. Options stand after `kubectl abr`.
    """


@group.command("list", params=[*place_options(), everywhere(), selector(), output()])
def list_(**typed: Any) -> int:  # noqa: ANN401 - as above
    """Print refs and monitors as a table: state, progress, rate, time left, age."""
    return _run("listing", _choice(typed), as_json=typed["output"] is not None)


@group.command(params=[names(), *place_options(), everywhere(), selector()])
def watch(**typed: Any) -> int:  # noqa: ANN401 - as above
    """Show the progress of backups until all have finished.

    Without NAME: of all refs. A suspended one counts as finished. On a terminal progress bars move, anywhere else each
    change is a line. The exit code does not say how the backups have ended: `kubectl abr wait` does.
    """
    return _run("watching", _choice(typed))


@group.command(
    params=[
        names(),
        *place_options(),
        everywhere(),
        selector(),
        timeout("Wait no longer, such as 90s or 2h; without it there is no limit."),
    ]
)
def wait(**typed: Any) -> int:  # noqa: ANN401 - as above
    """Wait until each backup has ended, and each monitor's objectives are met or missed.

    \b
    Exit codes:
      0    all have succeeded
      1    one has failed, or was deleted; outranks 3
      3    of one it cannot be told, and nothing has changed for 30 seconds: user action is required and the status
           cannot be refreshed, it is stale or suspended, no operator has handled it, there is no such object, the API
           server does not answer; outranks 2
      2    the time is over
      64   the command line is wrong
      130  interrupted
    """  # noqa: D301 - click's own mark of lines that are not to be joined
    choice = _choice(typed)
    if not choice.names and not choice.selector:
        raise click.UsageError("Name what to wait for: NAME, abm/NAME or -l SELECTOR.")
    return _run("waiting", choice, limit=typed["timeout"])


@group.command(params=[click.Argument(["name"]), *place_options(), operator_namespace()])
def why(**typed: Any) -> int:  # noqa: ANN401 - as above
    """Explain why a ref or a monitor is as it is, and what to do next."""
    typed["names"] = (typed["name"],)
    return _run("explaining", _choice(typed), operator_namespace=typed["operator_namespace"])


@group.command(
    params=[names(required=True), *place_options(), timeout("Wait no longer for the answer.", _POLL_SECONDS)]
)
def poll(**typed: Any) -> int:  # noqa: ANN401 - as above
    """Have the operator ask Astra Control now, and wait for the answer.

    Exit code 0 means that it has answered, whatever it says of the backup; 1 that the poll has failed; 3 that no poll
    is made now, because of spec.suspend or a circuit breaker; 2 that the time is over.
    """
    return _run("polling", _choice(typed), limit=typed["timeout"])


@group.command(
    "import",
    params=[*place_options(), *import_options()],
)
def import_(**typed: Any) -> int:  # noqa: ANN401 - as above
    """Print manifests to keep: the refs of a monitor as if made by hand, or a monitor of an app.

    Either --monitor NAME, or --account ID and --app ID.
    """
    name, account, app = typed["monitor"], typed["account"], typed["app"]
    if (name is None) == (account is None and app is None) or (account is None) != (app is None):
        raise click.UsageError("Give either --monitor NAME, or both --account ID and --app ID.")
    return _run("importing", _choice(typed), of=name, account=account, app=app, name=typed["name"])


def _run(command: str, choice: Choice, **options: Any) -> int:  # noqa: ANN401 - as above
    try:
        return int(asyncio.run(import_module(f"{_COMMANDS}.{command}").run(choice, **options)))
    except BrokenPipeError:
        # Nobody reads any longer. The interpreter would complain about what is still in its buffer.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_BROKEN


def _choice(typed: dict[str, Any]) -> Choice:
    """What was typed, before the command or after it."""
    before = click.get_current_context().find_root().params
    kubeconfig, context, namespace = (typed.get(each) or before.get(each) for each in _PLACE)
    place = Place(kubeconfig, context, namespace)
    named = tuple(typed.get("names") or ())
    choice = Choice(place, named, typed.get("selector") or "", bool(typed.get("all_namespaces")))
    if named and choice.selector:
        raise click.UsageError("NAME and --selector exclude each other.")
    if named and choice.is_everywhere:
        raise click.UsageError("NAME is looked up in one namespace: leave --all-namespaces out.")
    for each in named:
        try:
            parse_name(each, "")
        except ValueError as error:
            raise click.UsageError(f"{error}.") from None
    return choice
