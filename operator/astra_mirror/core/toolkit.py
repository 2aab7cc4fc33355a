"""Parses config.yaml of NetApp's actoolkit, because many clusters have a Secret in this format already.

The YAML comes from a tenant. Aliases, tags and merge keys, which can make a small document expand, are not resolved.
The number of tokens and their nesting are limited while they are scanned, before anything is built from them.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final, NoReturn

from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from yaml.composer import Composer
from yaml.constructor import BaseConstructor
from yaml.error import YAMLError
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner
from yaml.tokens import Token

from astra_mirror.core.secret_keys import TOOLKIT, UnusableError

MAX_DEPTH: Final = 16
MAX_TOKENS: Final = 10_000
_DOMAIN: Final = "astra.netapp.io"


@dataclass(frozen=True, slots=True)
class ToolkitConfig:
    """The settings in use. `url` and `token` are not validated yet; `verify` says whether to verify certificates."""

    url: str
    token: str
    verify: bool


def parse_toolkit(text: str) -> ToolkitConfig:
    """The settings in a config.yaml.

    Raises:
        UnusableError: the text is not a valid config.yaml, or exceeds a limit.
    """
    try:
        config = _Config.model_validate(_Loader(_Tokens(text).every()).get_single_data())
    except UnusableError:
        raise
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, each["loc"])) or "the document" for each in error.errors())
        raise UnusableError(f"its key {TOOLKIT!r} lacks or misspells: {fields}") from None
    except YAMLError as error:
        # The error's own text quotes the line, which may be the one with the token.
        raise UnusableError(f"its key {TOOLKIT!r} is not YAML{_where(error)}") from None
    except Exception:  # noqa: BLE001 - the border to a tenant's bytes: PyYAML raises errors of many kinds
        raise UnusableError(f"its key {TOOLKIT!r} is not YAML") from None
    project = config.project.strip()
    # The toolkit does not accept a whole URL here, but many people write one.
    is_short = not any(mark in project for mark in ".:")
    url = project if "://" in project else f"https://{project}" + (f".{_DOMAIN}" if is_short else "")
    scheme, _, token = config.headers.authorization.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise UnusableError(f"in its key {TOOLKIT!r} headers.Authorization does not start with 'Bearer'")
    return ToolkitConfig(url, token.strip(), config.verify)


_NOTHING: Final = frozenset({"", "~", "null", "Null", "NULL"})
"""How YAML spells a value that is absent; scalars are strings here."""


def _unless_absent(value: object) -> object:
    return True if isinstance(value, str) and value in _NOTHING else value


class _Headers(BaseModel):
    authorization: str = Field(alias="Authorization")


class _Config(BaseModel):
    headers: _Headers
    project: str = Field(alias="astra_project", min_length=1)
    # Templates leave it empty where nobody has set it: then it is as if it were not there.
    verify: Annotated[bool, BeforeValidator(_unless_absent)] = Field(default=True, alias="verifySSL")


def _where(error: YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1})" if mark else ""


class _Tokens(Reader, Scanner):
    """The YAML tokens of a text. It raises as soon as there are too many, too many nested levels, or an alias.

    The scanner looks up to 1,024 characters ahead, and for each token at all open levels. So the limits are checked
    when a token is scanned, not when it is taken.
    """

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)

    def every(self) -> list[Token]:
        """All tokens of the text."""
        tokens = []
        while self.check_token():
            tokens.append(self.get_token())  # type: ignore[no-untyped-call]
            self._count(len(tokens))
        return tokens

    def fetch_more_tokens(self) -> None:
        self._count(self.tokens_taken + len(self.tokens))
        if self.flow_level + len(self.indents) > MAX_DEPTH:
            self._refuse(f"is nested more than {MAX_DEPTH} levels deep")
        super().fetch_more_tokens()

    def fetch_alias(self) -> None:
        self._refuse("has an alias (*name): write its value there")

    def _count(self, tokens: int) -> None:
        if tokens > MAX_TOKENS:
            self._refuse(f"has more than {MAX_TOKENS:,} YAML tokens: keep only what actoolkit needs")

    def _refuse(self, why: str) -> NoReturn:
        raise UnusableError(f"its key {TOOLKIT!r} {why} (line {self.line + 1})")


class _Loader(Parser, Composer, BaseConstructor, BaseResolver):
    """Builds mappings, lists and strings from tokens. Every scalar stays a string, whatever its tag."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._position = 0
        Parser.__init__(self)
        Composer.__init__(self)
        BaseConstructor.__init__(self)
        BaseResolver.__init__(self)

    def check_token(self, *kinds: type[Token]) -> bool:
        token = self.peek_token()
        return token is not None and (not kinds or isinstance(token, kinds))

    def peek_token(self) -> Any:  # noqa: ANN401 - as the scanner that this stands for
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def get_token(self) -> Any:  # noqa: ANN401
        token = self.peek_token()
        self._position += 1
        return token
