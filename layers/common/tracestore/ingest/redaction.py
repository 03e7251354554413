"""Masks secrets in what is about to be stored: tokens that have a known shape, and values that a name gives away.

What was masked is told by a marker such as `[redacted:openai_key]`. Redacting twice changes nothing.

Nearly every span is clean, so the one question asked of all of them has to be cheap. It goes to Rust's regular
expressions, by way of pydantic, over the span's JSON as a whole: in linear time and 20 times as fast as `re`. That is
why the patterns keep to what both engines read: no look-around, no back-references.
"""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final, cast

from pydantic_core import SchemaValidator, core_schema, to_json

from tracestore.domain.spans import Json, SpanFields


@dataclass(frozen=True, slots=True)
class Rule:
    """What a kind of secret looks like. Masked is its group, if it has one, and only where `holds` says so."""

    name: str
    pattern: str
    holds: Callable[[str], bool] = bool


def _is_credentials(text: str) -> bool:
    """Whether `text` is `user:password` in Base64, as in `Authorization: Basic`."""
    try:
        decoded = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except ValueError:
        return False
    return b":" in decoded and decoded.decode("latin-1").isprintable()


def _looks_random(text: str) -> bool:
    """Whether `text` is like a token and unlike a word: long, of letters and digits, with few repeats."""
    return _RANDOM.fullmatch(text) is not None and len(set(text)) >= 10


def _is_bearer(text: str) -> bool:
    return any(map(str.isdigit, text)) or (len(text) >= 20 and _MIXED_CASE.search(text) is not None)


_RANDOM_CHARACTER: Final = "[A-Za-z0-9_.~+/=:%-]"
_RANDOM: Final = re.compile(f"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z]){_RANDOM_CHARACTER}{{20,}}")
_MIXED_CASE: Final = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]")

RULES: Final = (
    Rule(
        "private_key",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?s:.*?-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|.*)",
    ),
    Rule("anthropic_key", r"sk-ant-[A-Za-z0-9_-]{16,}"),
    Rule("langfuse_key", r"sk-lf-[A-Za-z0-9_-]{16,}"),
    Rule("openai_key", r"sk-(?:[A-Za-z0-9]{20}|(?:proj|svcacct|admin|None|or-v1)-[A-Za-z0-9_-]{16})[A-Za-z0-9_-]*"),
    Rule("google_key", r"AIza[A-Za-z0-9_-]{30,}"),
    Rule("google_token", r"ya29\.[A-Za-z0-9_.-]{20,}"),
    Rule("aws_access_key_id", r"(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    Rule("aws_secret_key", r"""(?i:secret[ _-]?(?:access[ _-]?)?key)[ :=>"'`|\\-]{1,12}([A-Za-z0-9/+]{40,})"""),
    Rule("github_token", r"(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{20,}"),
    Rule("gitlab_token", r"glpat-[A-Za-z0-9_.-]{16,}"),
    Rule("slack_token", r"(?:xox[a-z]|xapp)-[A-Za-z0-9-]{10,}"),
    Rule("slack_webhook", r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9_/-]{10,}"),
    Rule("stripe_key", r"(?:(?:sk|rk)_(?:live|test)_|whsec_)[A-Za-z0-9+/=_]{10,}"),
    Rule("hugging_face_token", r"hf_[A-Za-z0-9]{20,}"),
    Rule("tracestore_key", r"tsk_[A-Za-z0-9_-]{16,}"),
    Rule("jwt", r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+){0,2}"),
    Rule("bearer_token", r"(?i:bearer) {1,4}([A-Za-z0-9._~+/-]{8,}={0,2})", _is_bearer),
    Rule("basic_credentials", r"(?i:basic) {1,4}([A-Za-z0-9+/]{8,}={0,2})", _is_credentials),
    Rule("cookie", r"""(?i:set-cookie|cookie): {0,8}([A-Za-z0-9_.-]{1,64}=[^\r\n"'\\]+)"""),
    Rule(
        "url_password", r"""[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/?#:@"'<>]{0,64}:([^\s/?#"'<>${*][^\s/?#"'<>]{0,255})@"""
    ),
)
"""Every secret with a shape of its own, wherever it stands in a text."""

SECRET_NAMES: Final = (
    *("access_key", "account_key", "api_key", "encryption_key", "master_key", "private_key", "secret_key"),
    *("signing_key", "subscription_key", "authorization", "cookie", "credential", "credentials"),
    *("passcode", "passphrase", "passwd", "password", "secret"),
    *("access_token", "api_token", "auth_token", "bearer_token", "id_token", "refresh_token", "session_token", "token"),
)
"""Names that give their value away, also at the end of longer ones and in any spelling: `X-Api-Key`, `dbPassword`.
A `token` alone may be a word that a model wrote: it goes only when its value looks random."""


def _spellings(names: Sequence[str]) -> str:
    """A pattern for any of `names`. With its first letter spelt out `re` is three times as fast."""
    return "|".join(
        f"{initial}(?i:{name[1:].replace('_', '[_. -]?')})" for name in names for initial in (name[0], name[0].upper())
    )


_NAME: Final = f"(?P<name>{_spellings(SECRET_NAMES)})"
_NAME_AT_END: Final = re.compile(rf"{_NAME}\Z", re.ASCII)
_SIGN: Final = r"""\\{0,31}["'`]?\]? {0,8}[=:]"""
_LABEL: Final = (
    f"(?:{_spellings([name for name in SECRET_NAMES if name != 'token'])}){_SIGN}"
    rf"""|[Tt](?i:oken){_SIGN}[ =>\[\\"'`]{{0,48}}{_RANDOM_CHARACTER}{{20}}"""
)
"""How a labelled value begins. A model's words come as `"token": "hello"`, so there the value is looked at as well."""

_LABELLED: Final = rf"""{_NAME}
    (?:\\{{0,15}}["'`])?\]?                                     # where the name ends, in JSON and in code
    (?P<sign>[ ]{{0,8}}(?:=>|:=|[=:](?!=))[ ]{{0,8}})
    (?:\[[ ]{{0,8}})?
    (?:
        (?P<quote>(?P<escape>\\{{0,15}})["'`])
        (?P<quoted>(?!-----BEGIN)(?:
            .*?(?<!\\)(?:\\(?P=escape)\\(?P=escape))*(?=(?P=quote))  # to the quote that opened: as often escaped
            |.*                                                 # or it was cut off
        ))
    |
        (?i:(?:bearer|basic|token|apikey)[ ]{{1,4}})?
        (?P<bare>(?!-----BEGIN|[$%*])[^\s"'`&,;<>(){{}}\[\]\\|=]++(?:={{1,2}}(?!\w))?+)
        (?![(\[{{])                                             # else it is a call
    )"""
"""A name of `SECRET_NAMES` with its value: JSON in a string, however often escaped, `KEY=value`, `X-Api-Key: value`."""

_NO_SECRET: Final = re.compile(
    r"[\W_]*|none|null|nil|undefined|true|false|yes|no|include|omit|same-origin", re.IGNORECASE
)
"""What stands for a value that is absent or already masked, a flag, or the `credentials` of a browser's `fetch`."""

_WORD_AND_NUMBER: Final = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z]).{6,}")
_SCHEMA_TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_SCHEMA_WORDS: Final = frozenset({"$ref", "allOf", "anyOf", "oneOf", "enum"})
_NOT_REDACTED: Final = ("span_id", "parent_span_id")
"""Ids join spans to their parents and to their keys in the table: they stay as they were sent."""

_MARKER: Final = re.compile(r"(\[redacted:[a-z_]{1,40}\])")

# A token starts where a word does. Escapes of JSON end in letters and digits that belong to no word.
_START: Final = r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"


class Redactor:
    """Redacts the facts of spans by `RULES`, `SECRET_NAMES` and the deployer's own regular expressions.

    Raises `ValueError` that says by number which of those cannot be used. With them every span is walked.
    """

    def __init__(self, extra_patterns: Sequence[str] = ()) -> None:
        self._extra = [_custom_mask(number, pattern) for number, pattern in enumerate(extra_patterns, 1)]

    def redact(self, fields: SpanFields) -> SpanFields:
        """`fields` without secrets in any field but the ids; the same object when there were none."""
        if not self._extra and not _may_hold_secret(fields):
            return fields
        content: dict[str, Any] = {name: value for name, value in fields.items() if name not in _NOT_REDACTED}
        redacted = self._value(content)
        return fields if redacted == content else cast(SpanFields, {**fields, **redacted})

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if isinstance(value, dict):
            return {self._text(name): _marker_by_name(name, item) or self._value(item) for name, item in value.items()}
        return value

    def _text(self, text: str) -> str:
        masks = [*(_masks() if _is_suspect(text.encode(errors="replace")) else ()), *self._extra]
        # One mask may bare what another looks for. Nothing looks at what is masked already, so this ends.
        before = None
        while masks and text != before:
            before = text
            for mask in masks:
                text = mask.apply(text)
        return text


@dataclass(frozen=True, slots=True)
class _Mask:
    """One rule at work. `occurs` is the quick question, and may say yes in vain."""

    occurs: Callable[[bytes], object]
    pattern: re.Pattern[str]
    replace: Callable[[re.Match[str]], str]

    def apply(self, text: str) -> str:
        if not self.occurs(text.encode(errors="replace")):
            return text
        pieces = _MARKER.split(text)
        pieces[::2] = [self.pattern.sub(self.replace, piece) for piece in pieces[::2]]
        return "".join(pieces)


def _finder(pattern: str) -> Callable[[bytes], bool]:
    """Whether `pattern` occurs in a text of UTF-8, asked of Rust's engine."""
    return SchemaValidator(core_schema.str_schema(pattern=pattern)).isinstance_python


@cache
def _masks() -> tuple[_Mask, ...]:
    """Compiled when something first looks suspicious: it takes 15 ms, which a cold start can do without."""
    labelled = _Mask(_finder(_LABEL), re.compile(_LABELLED, re.ASCII | re.MULTILINE | re.VERBOSE), _mask_labelled)
    return (labelled, *map(_rule_mask, RULES))


_SUSPICIONS: Final = tuple(map(_finder, (_LABEL, *(rule.pattern for rule in RULES))))
"""One by one: joined into one they have too many states to be remembered, and text that is all different (Base64,
another script) takes 100 times as long, half a minute for 4 MB."""


def _is_suspect(text: bytes) -> bool:
    return any(is_in(text) for is_in in _SUSPICIONS)


def _may_hold_secret(fields: SpanFields) -> bool:
    try:
        return _is_suspect(to_json(fields))
    except ValueError:  # a lone surrogate, say
        return True


def _rule_mask(rule: Rule) -> _Mask:
    pattern = re.compile(f"{_START}(?:{rule.pattern})", re.ASCII)

    def replace(match: re.Match[str]) -> str:
        return _marked(match, pattern.groups, rule.name) if rule.holds(match[pattern.groups]) else match[0]

    return _Mask(_finder(rule.pattern), pattern, replace)


def _custom_mask(number: int, text: str) -> _Mask:
    try:
        pattern = re.compile(text)
    except re.error as error:
        problem = f"is not a regular expression: {error.msg}"
    else:
        if not pattern.search(""):
            return _Mask(lambda _: True, pattern, lambda match: _marked(match, 0, "custom") if match[0] else "")
        problem = "matches the empty text: ask for at least one character"
    raise ValueError(f"Redaction pattern {number} {problem}.")


def _mask_labelled(match: re.Match[str]) -> str:
    name, value, group = _secret_name(match["name"]), match["quoted"], "quoted"
    if value is None:
        value, group = match["bare"], "bare"
        # `api_key=settings.api_key` is code, "password: it must be long" is prose: a word is a value after a tight `=`.
        if _NAME_AT_END.search(value) or (match["sign"] != "=" and not _stands_out(match)):
            return match[0]
    return _marked(match, group, name) if name and _is_secret(name, value) else match[0]


def _stands_out(match: re.Match[str]) -> bool:
    """Whether a bare value looks random, or is alone on its line and no plain word."""
    ends_line = match.string[match.end() : match.end() + 1] in ("", "\n", "\r", "\\", '"', "'")
    return _looks_random(match["bare"]) or (ends_line and _WORD_AND_NUMBER.fullmatch(match["bare"]) is not None)


def _marked(match: re.Match[str], group: int | str, name: str) -> str:
    start, end = (position - match.start() for position in match.span(group))
    return f"{match[0][:start]}[redacted:{name}]{match[0][end:]}"


def _marker_by_name(name: str, value: Json) -> str | None:
    """What takes the place of `value` because `name` gives it away; None when it may stay."""
    secret_name = _secret_name(name[-64:])
    if secret_name is None or not _holds_secret(secret_name, value):
        return None
    return f"[redacted:{secret_name}]"


@lru_cache(maxsize=4096)
def _secret_name(name: str) -> str | None:
    match = _NAME_AT_END.search(name)
    return _CANONICAL[re.sub("[_. -]", "", match[0].lower())] if match else None


_CANONICAL: Final = {name.replace("_", ""): name for name in SECRET_NAMES}


def _holds_secret(name: str, value: Json) -> bool:
    if isinstance(value, str):
        return _is_secret(name, value)
    if name == "token":
        return False
    if isinstance(value, list):
        return any(_holds_secret(name, item) for item in value)
    if isinstance(value, dict):
        return not _is_schema(value) and any(_holds_secret(name, item) for item in value.values())
    return False


def _is_secret(name: str, value: str) -> bool:
    return _NO_SECRET.fullmatch(value) is None and (name != "token" or _looks_random(value))


def _is_schema(value: dict[str, Json]) -> bool:
    """Whether this describes a parameter of a tool, such as its `password`, and is none."""
    kind = value.get("type")
    return not _SCHEMA_WORDS.isdisjoint(value) or (isinstance(kind, str) and kind.lower() in _SCHEMA_TYPES)
