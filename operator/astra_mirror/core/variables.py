"""Which environment variables are misspelt options: the operator would run without them, and nobody would know.

Kubernetes adds variables for each Service of a pod's namespace (service links), whose names begin with the Service's:
for a Service named astra-mirror they look like options.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

_SERVICE: Final = re.compile(
    r"(\w+_)?SERVICE_(HOST|PORT)(_\w+)?|PORT|(\w+_)?PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?"
)
"""What a service link adds to the prefix, whatever its value."""
_OTHER_PORT: Final = re.compile(r"\w+_PORT")
_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://")
"""How the value of such a variable begins; the option of a name like that would have another value."""


def misspelt(prefix: str, options: Sequence[str], environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The variables that begin with `prefix` and are neither options nor service links, each with the nearest option.

    Args:
        prefix: in capitals.
        options: the names of the options' variables.
        environment: the variables; their names count without regard to case.
    """
    for name, value in environment.items():
        upper = name.upper()
        if upper.startswith(prefix) and upper not in options and not _is_link(upper.removeprefix(prefix), value):
            yield name, get_close_matches(upper, options, n=1, cutoff=0.0)[0]


def _is_link(rest: str, value: str) -> bool:
    if _SERVICE.fullmatch(rest):
        return True
    return _OTHER_PORT.fullmatch(rest) is not None and _ADDRESS.match(value) is not None
