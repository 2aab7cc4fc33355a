"""What is read of config.yaml, the file of NetApp's toolkit: its limits, and one kind of answer to every error."""

from typing import Any

import pytest

from astra_mirror.core.connection import TLS
from astra_mirror.core.toolkit import MAX_DEPTH, MAX_TOKENS
from tests.core.contents import GOOD, TOKEN, TOOLKIT, connection_of, refusal_of


class TestToolkit:
    """YAML that means more than it says is refused while it is scanned."""

    @pytest.mark.parametrize(
        ("value", "levels"),
        [
            (lambda depth: "[" * depth + "]" * depth, 1),
            (lambda depth: "{a: " * depth + "}" * depth, 1),
            (lambda depth: "\n" + "\n".join(f"{' ' * level}- " for level in range(1, depth + 1)), 1),
            (lambda depth: "\n" + "\n".join(f"{' ' * level}k:" for level in range(1, depth + 1)), 1),
        ],
    )
    def test_sixteen_levels(self, value: Any, levels: int) -> None:
        """In flow and in block style; the document's own mapping is the first."""
        assert connection_of({"config.yaml": f"{TOOLKIT}more: {value(MAX_DEPTH - levels)}\n"}).token == TOKEN
        assert "16 levels deep" in refusal_of({"config.yaml": f"{TOOLKIT}more: {value(MAX_DEPTH - levels + 1)}\n"})

    @pytest.mark.parametrize("text", ["- " * 30_000, "? " * 30_000, "a: " * 20_000, "[{" * 30_000, "-\n" * 30_000])
    def test_however_it_is_written(self, text: str) -> None:
        """A key's worth of openings."""
        assert "'config.yaml'" in refusal_of({"config.yaml": text})

    def test_ten_thousand_tokens(self) -> None:
        """Each item of a list is two."""
        half = MAX_TOKENS // 2
        assert connection_of({"config.yaml": f"{TOOLKIT}more: [{'a,' * (half - 20)}]\n"}).token == TOKEN
        assert "10,000 YAML tokens" in refusal_of({"config.yaml": f"{TOOLKIT}more: [{'a,' * half}]\n"})
        assert "10,000 YAML tokens" in refusal_of({"config.yaml": "---\n" * 15_000})

    def test_an_alias_is_refused_where_it_stands(self) -> None:
        """Also one that means little; an anchor alone means nothing."""
        assert "alias" in refusal_of({"config.yaml": f"a: &a x\n{TOOLKIT}b: *a\n"})
        assert "(line 4)" in refusal_of({"config.yaml": f"a: &a x\n{TOOLKIT}b: *a\n"})
        assert "alias" in refusal_of({"config.yaml": f"a: &a [x]\nb: &b [*a,*a]\n{TOOLKIT}<<: *b\n"})
        assert connection_of({"config.yaml": f"a: &a x\n{TOOLKIT}"}).token == TOKEN

    def test_merge_keys_and_tags_are_never_resolved(self) -> None:
        """A merge key is a key, and a tagged scalar the text that it is."""
        message = refusal_of({"config.yaml": f"<<: {{headers: {{Authorization: Bearer {TOKEN}}}}}\nastra_project: a\n"})
        assert "lacks or misspells: headers" in message
        tagged = TOOLKIT.replace("demo", "!!python/name:os.system demo").replace("{A", "!!omap {A")
        assert connection_of({"config.yaml": tagged}) == connection_of({"config.yaml": TOOLKIT})

    @pytest.mark.parametrize(
        "text",
        [
            '"\\UFFFFFFFF"',
            '"\\ud800"',
            "%YAML 1." + "1" * 5_000,
            "%TAG ! %ff\n---\n!x y",
            "!<%ff> x",
            "&" + "a" * 60_000,
            "a: b\n---\na: b",
            "? {a: b}\n: c",
            "? [a]\n: c",
            "a: 'b",
            "\x85a: |9\n",
            "a: !!int",
            "@",
            "\t- a",
            "\ufeff\ufeff",
        ],
    )
    def test_every_error_of_the_parser_is_one_answer(self, text: str) -> None:
        """Of whatever class it is."""
        assert "'config.yaml'" in refusal_of({"config.yaml": text})

    @pytest.mark.parametrize("word", ["false", "False", "no", "off", '"false"'])
    def test_an_administrator_may_require_verification(self, word: str) -> None:
        """--require-tls-verification refuses what switches it off, and says what to do instead."""
        text = f"{TOOLKIT}verifySSL: {word}\n"
        assert connection_of({"config.yaml": text}).tls == TLS(verify=False)
        message = refusal_of({"config.yaml": text}, require_tls_verification=True)
        assert "'config.yaml' switches the verification of certificates off" in message
        assert "ca.crt" in message
        assert connection_of({"config.yaml": f"{TOOLKIT}verifySSL: true"}, require_tls_verification=True).tls == TLS()
        assert connection_of({**GOOD, "config.yaml": text}, require_tls_verification=True).tls == TLS()

    @pytest.mark.parametrize("nothing", ["", '""', "~", "null"])
    def test_a_switch_without_a_value_is_absent(self, nothing: str) -> None:
        """Templates leave one behind: certificates are verified, as where the file lacks it."""
        text = f"{TOOLKIT}verifySSL: {nothing}\n"
        assert connection_of({"config.yaml": text}, require_tls_verification=True).tls == TLS(verify=True)
