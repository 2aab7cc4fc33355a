"""Completion, the script `kubectl_complete-abr`: kubectl calls it with the words after `kubectl abr`.

It prints one completion a line, with a description after a tab, and at last what the shell shall do with them.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

import click

from astra_mirror.cluster.kubeconfig_files import KubeconfigError, context_names
from astra_mirror.kubectl.cluster import Cluster, opened
from astra_mirror.kubectl.command_line import group
from astra_mirror.kubectl.core.choice import Place
from astra_mirror.kubectl.core.completing import Question, Wanted, question_of
from astra_mirror.kubectl.core.names import Kind
from astra_mirror.kubectl.core.observed import Query
from astra_mirror.kubectl.core.seen import read
from astra_mirror.kubectl.errors import ApiError, NoClusterError
from astra_mirror.kubectl.kubeconfig import kubeconfig_paths
from astra_mirror.kubectl.output import prepare, write

_SECONDS: Final = 3.0
"""Nobody waits longer at a prompt."""
_NO_FILES: Final = ":4"
"""To the shell: offer no names of files."""


def run(arguments: Sequence[str]) -> None:
    """Print what the last of the arguments may become."""
    prepare()
    *words, typing = arguments or [""]
    question = question_of(words, typing, _with_value())
    # Whatever is wrong is said when the command is run; here it would garble the prompt.
    with suppress(ApiError, NoClusterError, KubeconfigError, TimeoutError):
        for each in _answers(question):
            if each.startswith(typing):
                write(f"{each}\n")
    write(f"{_NO_FILES}\n")


def _answers(question: Question) -> Sequence[str]:
    match question.wanted:
        case Wanted.COMMANDS:
            return [f"{name}\t{command.get_short_help_str(80)}" for name, command in _commands().items()]
        case Wanted.FLAGS:
            return list(_flags(question.command))
        case Wanted.FORMATS:
            return ["json"]
        case Wanted.CONTEXTS:
            return context_names(kubeconfig_paths(_place(question), os.environ))
        case Wanted.NOTHING:
            return []
        case _:
            return asyncio.run(_asked(question))


async def _asked(question: Question) -> list[str]:
    """What the API server has to be asked."""
    async with asyncio.timeout(_SECONDS), opened(_place(question)) as cluster:
        match question.wanted:
            case Wanted.NAMESPACES:
                found = await cluster.api.get("/api/v1/namespaces")
                return [str(each["metadata"]["name"]) for each in found.get("items", ())]
            case Wanted.MONITORS:
                return [each.partition("/")[2] for each in await _names(cluster, Kind.MONITOR)]
            case _:
                names = [each for kind in Kind for each in await _names(cluster, kind)]
                return [each for each in names if each not in question.names]


async def _names(cluster: Cluster, kind: Kind) -> list[str]:
    """Those of a kind; none where they may not be listed."""
    try:
        found, _ = await cluster.api.list_objects(Query(kind, cluster.namespace))
    except ApiError:
        return []
    return [str(read(kind, each).key) for each in found]


def _place(question: Question) -> Place:
    options = question.options
    return Place(options.get("--kubeconfig"), options.get("--context"), options.get("--namespace"), is_by_hand=False)


def _commands() -> Mapping[str, click.Command]:
    return dict(sorted(group.commands.items()))


def _flags(command: str) -> Iterator[str]:
    for each in (_commands().get(command) or group).params:
        if isinstance(each, click.Option):
            yield f"{each.opts[-1]}\t{each.help}"
    yield "--help\tShow this message and exit."


def _with_value() -> frozenset[str]:
    """The long names of all options that take a value."""
    commands = (group, *_commands().values())
    options = [each for command in commands for each in command.params if isinstance(each, click.Option)]
    return frozenset(each.opts[-1] for each in options if not each.is_flag)
