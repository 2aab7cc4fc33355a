"""The cluster of a command: opened for its time, with the objects that the user has chosen."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from astra_mirror.kubectl.api import Api
from astra_mirror.kubectl.connection import connect
from astra_mirror.kubectl.core.choice import Choice, Place
from astra_mirror.kubectl.core.names import Key, Kind, parse_name
from astra_mirror.kubectl.core.observed import Query, queries_for
from astra_mirror.kubectl.core.roll import Roll
from astra_mirror.kubectl.errors import UsageError


@dataclass(frozen=True, slots=True)
class Cluster:
    """An open cluster, and the namespace that is meant in it."""

    api: Api
    namespace: str


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Cluster]:
    """Open the cluster.

    Raises:
        NoClusterError: there are no usable credentials.
    """
    connection = await connect(place)
    try:
        yield Cluster(Api(connection), connection.namespace)
    finally:
        await connection.close()


def keys_of(names: Sequence[str], namespace: str) -> list[Key]:
    """The objects that are named, each once.

    Raises:
        UsageError: one of them is no name.
    """
    try:
        return list(dict.fromkeys(parse_name(each, namespace) for each in names))
    except ValueError as error:
        raise UsageError(str(error)) from None


def roll_of(choice: Choice, namespace: str) -> tuple[Roll, list[Query]]:
    """The roll of the chosen objects, and the queries that fill it.

    Raises:
        UsageError: a name is none.
    """
    keys = keys_of(choice.names, namespace)
    where = None if choice.is_everywhere else namespace
    queries = queries_for(keys) if keys else [Query(Kind.REF, where, choice.selector)]
    return Roll(queries, keys), queries
