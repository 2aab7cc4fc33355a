"""The command line: `astra-mirror run`, and the messages about invalid options and unusable clusters.

The options are generated from the fields of Settings, so that each is defined once. Only options that were given are
passed to Settings, which reads the environment and applies the defaults.
"""

import asyncio
import gc
import sys
from functools import partial
from typing import Any, Final

import click
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from astra_mirror import __version__, lifecycle
from astra_mirror.cluster.kubeconfig import ClusterConfigError
from astra_mirror.cluster.probe import NotUsableError
from astra_mirror.observability import logs
from astra_mirror.observability.hidden_values import HiddenValues
from astra_mirror.observability.unhandled import print_redacted
from astra_mirror.settings import ENV_PREFIX, Settings
from astra_mirror.support import allocator
from astra_mirror.support.ca_file import CAFileError

_EXIT_RESTART: Final = 1
_EXIT_BAD_OPTIONS: Final = 2
_SWITCH_SECONDS: Final = 0.0005
"""How long a thread that parses a Secret may hold the GIL while the event loop waits for it.

The event loop requests the GIL after each system call: with the default of 5 ms, ten system calls took 50 ms.
"""


def _option_name(field: str) -> str:
    return f"--{field.replace('_', '-')}"


def _option(name: str, field: FieldInfo) -> click.Option:
    kind = field.annotation
    flags = f"{_option_name(name)}/--no-{name.replace('_', '-')}" if kind is bool else _option_name(name)
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    default = field.default
    shown = ", ".join(default) if isinstance(default, list) else "no" if default is False else default
    return click.Option(
        [flags],
        default=None,
        help=f"{field.description}." + (f"  [default: {shown}]" if shown else ""),
        metavar=str(extra.get("metavar")) or None,
        multiple=isinstance(default, list),
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="astra-mirror")
def main() -> None:
    """Mirror NetApp Astra Control backups into the status of Kubernetes objects."""


@main.command(params=[_option(name, field) for name, field in Settings.model_fields.items()])
def run(**typed: Any) -> None:  # noqa: ANN401 - one argument for each option
    """Run the operator until SIGTERM or SIGINT.

    Each option is also an environment variable: ASTRA_MIRROR_ and the name in capitals, so that --stale-after is
    ASTRA_MIRROR_STALE_AFTER. Lists are separated by commas there, and yes and no stand for flags. What is typed wins.

    Durations are written as 15s, 1m30s or 24h. The cluster's credentials are found the usual way: KUBECONFIG,
    ~/.kube/config, the pod's service account.

    \b
    Exit codes:
      0  stopped by SIGTERM or SIGINT
      1  a failure after which a restart may succeed, such as a missing CRD
      2  bad options
    """  # noqa: D301 - click's own mark of lines that are not to be joined
    given = {name: value for name, value in typed.items() if value is not None and value != ()}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            _report_invalid(given, each["loc"], each["msg"])
        sys.exit(_EXIT_BAD_OPTIONS)
    tune_garbage_collector()
    allocator.return_large_blocks()
    sys.setswitchinterval(_SWITCH_SECONDS)
    hidden = HiddenValues(settings.egress.secrets)
    sys.excepthook = partial(print_redacted, hidden)
    limit = logs.configure(settings.log_level, settings.log_format, hidden)
    try:
        sys.exit(asyncio.run(lifecycle.run(settings, limit, hidden)))
    except (CAFileError, ClusterConfigError, NotUsableError, OSError) as error:
        click.echo(hidden.redact(f"astra-mirror: {error}"), err=True)
        sys.exit(_EXIT_RESTART)


def tune_garbage_collector() -> None:
    """Run the garbage collector less often, because imported modules and refs are long-lived and form no cycles.

    With the interpreter's defaults it blocks the event loop for tens of milliseconds while a large list is read.
    """
    gc.freeze()
    gc.set_threshold(2_500, 20, 2_000)


def _report_invalid(given: dict[str, Any], where: tuple[int | str, ...], message: str) -> None:
    name = str(where[0])
    source = _option_name(name) if name in given else f"{ENV_PREFIX}{name.upper()}"
    click.echo(f"astra-mirror: {source}: {message.removeprefix('Value error, ')}", err=True)
