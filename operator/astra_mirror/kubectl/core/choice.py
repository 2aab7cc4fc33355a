"""Where a command looks, and at what."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Which cluster and namespace a user means.

    Attributes:
        kubeconfig: the file to use in place of KUBECONFIG; None if none is named.
        context: the context to use; None for the current one.
        namespace: the namespace; None for that of the context.
        is_by_hand: whether a person waits, who may be asked to log in.
    """

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    is_by_hand: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    """Which objects a command is about.

    Attributes:
        place: in which cluster and namespace.
        names: these; none for all refs with the labels of the selector.
        selector: a selector of labels; "" for any.
        is_everywhere: in all namespaces.
    """

    place: Place
    names: tuple[str, ...] = ()
    selector: str = ""
    is_everywhere: bool = False
