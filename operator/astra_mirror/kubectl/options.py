"""The options that commands share. Each command has them for itself, and those of the place also stand before it."""

from importlib import import_module
from typing import Any

import click

from astra_mirror.kubectl.core.names import check_namespace


class Duration(click.ParamType[float]):
    """A duration in Go's notation; its value is in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        """Read it."""
        if isinstance(value, float):
            return value
        try:
            # Only now: that module imports pydantic.
            return float(import_module("astra_mirror.support.durations").parse_duration(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Namespace(click.ParamType[str]):
    """The name of a namespace."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        """Check it."""
        try:
            return check_namespace(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def place_options() -> list[click.Parameter]:
    """Which cluster, and which namespace in it."""
    return [
        click.Option(["--kubeconfig"], metavar="FILE", help="Use this file in place of KUBECONFIG."),
        click.Option(["--context"], metavar="NAME", help="Use this context of the kubeconfig."),
        click.Option(["-n", "--namespace"], type=Namespace(), metavar="NAME", help="Look in this namespace."),
    ]


def everywhere() -> click.Option:
    """All namespaces."""
    return click.Option(["-A", "--all-namespaces"], is_flag=True, help="Look in all namespaces.")


def selector() -> click.Option:
    """Only objects with some labels."""
    return click.Option(
        ["-l", "--selector"], metavar="SELECTOR", help="Only objects with these labels, as in team=shop."
    )


def names(*, required: bool = False) -> click.Argument:
    """Refs and monitors."""
    return click.Argument(["names"], nargs=-1, required=required, metavar="NAME..." if required else "[NAME...]")


def timeout(text: str, default: float | None = None) -> click.Option:
    """How long to wait."""
    shown = "" if default is None else f"  [default: {default / 60:g}m]"
    return click.Option(["--timeout"], type=Duration(), default=default, metavar="DURATION", help=f"{text}{shown}")


def output() -> click.Option:
    """How the result is printed."""
    text = "Print one v1 List, as the API gives it, in place of a table."
    return click.Option(["-o", "--output"], type=click.Choice(["json"]), help=text)


def operator_namespace() -> click.Option:
    """Where the operator runs."""
    default = "astra-mirror-system"
    return _text("--operator-namespace", "NAME", f"Where the operator runs.  [default: {default}]", default)


def import_options() -> list[click.Parameter]:
    """What `import` prints."""
    return [
        _text("--monitor", "NAME", "Print the refs that this monitor has made."),
        _text("--account", "ID", "Print a monitor: the account's ID."),
        _text("--app", "ID", "Print a monitor: the app's ID."),
        _text("--name", "NAME", "The name of the monitor that is printed."),
    ]


def _text(name: str, metavar: str, text: str, default: str | None = None) -> click.Option:
    return click.Option([name], metavar=metavar, default=default, help=text)
