"""The command line: `astra-mirror run`, and the messages about invalid options and unusable clusters.

The options are generated from the fields of Settings, so that each is defined once. Only options that were given are
passed to Settings, which reads the environment and applies the defaults.
"""

import asyncio
import gc
import os
import sys
from typing import Any, Final

import click
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from astra_mirror import __version__, lifecycle
from astra_mirror.cluster.kubeconfig import ClusterConfigError
from astra_mirror.cluster.probe import NotUsableError
from astra_mirror.core.variables import misspelt
from astra_mirror.observability import logs
from astra_mirror.observability.hidden_values import HiddenValues
from astra_mirror.observability.start_errors import ErrorReport, typed_format, wants_json
from astra_mirror.settings import ENV_PREFIX, Settings
from astra_mirror.support import allocator

_EXIT_RESTART: Final = 1
_EXIT_BAD_OPTIONS: Final = 2
_SWITCH_SECONDS: Final = 0.0005
"""How long a thread that parses a Secret may hold the GIL while the event loop waits for it.

The event loop requests the GIL after each system call: with the default of 5 ms, ten system calls took 50 ms.
"""


def _option_name(field: str) -> str:
    return f"--{field.replace('_', '-')}"


class _Run(click.Command):
    """The command, which takes --flag=yes as well, and reports errors in the log's format."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - click's
    ) -> click.Context:
        """The context of a call with these arguments."""
        try:
            return super().make_context(info_name, [_as_flag(each) for each in args], parent, **extra)
        except click.UsageError as error:
            if not wants_json(typed_format(args), _environment()):
                raise
            ErrorReport(is_json=True, hidden=HiddenValues()).error(error.format_message())
            sys.exit(_EXIT_BAD_OPTIONS)


def _environment() -> dict[str, str]:
    """The environment variables; the case of their names does not matter."""
    return {name.upper(): value for name, value in os.environ.items()}


def _as_flag(argument: str) -> str:
    """`--flag=yes` and `--flag=no` as click knows them: `--flag` and `--no-flag`."""
    name, sign, value = argument.partition("=")
    flags = {_option_name(name): name for name, field in Settings.model_fields.items() if field.annotation is bool}
    if not sign or name not in flags:
        return argument
    try:
        is_set = TypeAdapter(bool).validate_python(value)
    except ValidationError:
        raise click.UsageError(f"{name}: {value!r} is neither yes nor no.") from None
    return name if is_set else f"--no-{name.removeprefix('--')}"


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


@main.command(cls=_Run, params=[_option(name, field) for name, field in Settings.model_fields.items()])
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
    hidden = HiddenValues()
    report = ErrorReport(is_json=wants_json(typed["log_format"], _environment()), hidden=hidden)
    settings = _settings(given, report)
    tune_garbage_collector()
    allocator.return_large_blocks()
    sys.setswitchinterval(_SWITCH_SECONDS)
    sys.excepthook = report.crash
    limit = logs.configure(settings.log_level, settings.log_format, hidden)
    try:
        sys.exit(asyncio.run(lifecycle.run(settings, limit, hidden)))
    except (ClusterConfigError, NotUsableError, OSError) as error:
        report.error(str(error))
        sys.exit(_EXIT_RESTART)


def _settings(given: dict[str, Any], report: ErrorReport) -> Settings:
    """The options, as they are typed or in the environment; ends the process where one is not valid."""
    variables = {f"{ENV_PREFIX}{name.upper()}": name for name in Settings.model_fields}
    errors = [
        f"{name}: there is no such option; the nearest is {nearest}"
        for name, nearest in misspelt(ENV_PREFIX, list(variables), os.environ)
    ]
    try:
        settings = Settings(**given)
    except ValidationError as error:
        errors += [_text_of(given, each["loc"], each["msg"]) for each in error.errors(include_url=False)]
    else:
        if not errors:
            return settings
    for each in errors:
        report.error(each)
    sys.exit(_EXIT_BAD_OPTIONS)


def tune_garbage_collector() -> None:
    """Run the garbage collector less often, because imported modules and refs are long-lived and form no cycles.

    With the interpreter's defaults it blocks the event loop for tens of milliseconds while a large list is read.
    """
    gc.freeze()
    gc.set_threshold(2_500, 20, 2_000)


def _text_of(given: dict[str, Any], where: tuple[int | str, ...], message: str) -> str:
    name = str(where[0])
    source = _option_name(name) if name in given else f"{ENV_PREFIX}{name.upper()}"
    return f"{source}: {message.removeprefix('Value error, ')}"
