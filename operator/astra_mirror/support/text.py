"""Text of limited length: what the remote sends is stored in etcd and shown on terminals. A cut text is marked."""

CUT = "… [cut]"
"""The end of a text that was shortened."""


def cut(text: str, limit: int) -> str:
    """`text` with at most `limit` characters; a shortened one ends in `CUT`."""
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT


def printable(text: str) -> str:
    """`text` with its line breaks and all else that is not printable escaped, as `repr` does: it forges no line."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def one_line(text: str, limit: int) -> str:
    """`text` for a log: printable, with at most `limit` characters; a shortened one ends in `CUT`."""
    # An escape is longer than what it stands for, so the rest of a long text need not be looked at.
    return cut(printable(text[: limit + 1]), limit)


def sentence(text: str) -> str:
    """`text` with a full stop, unless it ends in punctuation already."""
    text = text.strip()
    return text if text.endswith((".", "!", "?", "…", "]")) else f"{text}."


def bytes_text(number: int) -> str:
    """A size for people, in binary units with one decimal: `512 B`, `2.9 GiB`."""
    size = float(number)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if size < 1024:
            return f"{number} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} EiB"
