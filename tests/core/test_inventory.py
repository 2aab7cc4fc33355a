"""What a list says, and what it does not."""

from typing import Any

import pytest

from astra_mirror.core.inventory import Entry, ListNotUsableError, missing, page_of


def _list(*items: Any, **metadata: str) -> dict[str, Any]:
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": "7", **metadata},
        "items": list(items),
    }


def _item(uid: str, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"uid": uid, "namespace": "ns", "name": uid, "resourceVersion": "5", "generation": 1, **metadata}
    }


def test_a_page() -> None:
    """Its entries, and what asks for the next one."""
    page = page_of(_list(_item("a"), _item("b", generation=3), **{"continue": "more"}))
    assert page.entries == (Entry("a", "ns", "a", "5", 1), Entry("b", "ns", "b", "5", 3))
    assert (page.token, page.version) == ("more", "7")
    assert page_of(_list()).token == ""


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"items": []},
        _list() | {"kind": "Status"},
        _list() | {"kind": "AppBackupRefList"},
        _list() | {"apiVersion": "v1"},
        _list() | {"metadata": {}},
        _list() | {"metadata": None},
        _list(resourceVersion=""),
        _list() | {"items": None},
        _list({}),
        _list({"metadata": {"uid": "a"}}),
        _list("a"),
        _list({"metadata": _item("a")["metadata"] | {"uid": ["a"]}}),
        _list(_item("a", namespace=7)),
        _list(_item("a", name={})),
        _list(_item("a", resourceVersion=5)),
        _list(_item("a", generation=[])),
        _list(_item("a", generation="1")),
        _list({"metadata": None}),
    ],
)
def test_what_is_no_list(body: object) -> None:
    """A 200 with anything else in it says nothing about which objects there are."""
    with pytest.raises(ListNotUsableError):
        page_of(body)


def test_what_is_missing() -> None:
    """The known ones of that scope that were not listed; a list of one namespace says nothing about another."""
    known = {"a": ("one", "a"), "b": ("one", "b"), "c": ("two", "c")}
    assert missing(known, {"a"}, None) == {"b": ("one", "b"), "c": ("two", "c")}
    assert missing(known, {"a"}, "one") == {"b": ("one", "b")}
