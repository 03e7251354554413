"""Mask secrets in spans before they are stored: tokens of a known shape, and values whose name identifies a secret.

A marker such as `[redacted:openai_key]` replaces a secret. *repeat*: redacting again changes nothing.

Nearly all spans contain no secret, so the check that every span passes must be cheap. Rust's regular expressions,
available through pydantic, search the JSON of a whole span in linear time and 20 times as fast as `re`. The patterns
therefore use only syntax that both engines support: no look-around, no back-references.
"""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final, cast

from pydantic_core import SchemaValidator, core_schema, to_json

from tracestore.domain.media import sha256_of_reference
from tracestore.domain.spans import Json, SpanFields


@dataclass(frozen=True, slots=True)
class Rule:
    """The shape of a kind of secret. If `accepts` returns true, the pattern's group, if it has one, is masked."""

    name: str
    pattern: str
    accepts: Callable[[str], bool] = bool


def _is_credentials(text: str) -> bool:
    """Whether `text` is `user:password` in Base64, as in `Authorization: Basic`."""
    try:
        decoded = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except ValueError:
        return False
    return b":" in decoded and decoded.decode("latin-1").isprintable()


def _looks_random(text: str) -> bool:
    """Whether `text` looks like a token rather than a word: long, of letters and digits, with few repetitions."""
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
    Rule("tracestore_key", r"ts[ks]_[A-Za-z0-9_-]{16,}"),
    Rule("jwt", r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+){0,2}"),
    Rule("bearer_token", r"(?i:bearer) {1,4}([A-Za-z0-9._~+/-]{8,}={0,2})", _is_bearer),
    Rule("basic_credentials", r"(?i:basic) {1,4}([A-Za-z0-9+/]{8,}={0,2})", _is_credentials),
    Rule("cookie", r"""(?i:set-cookie|cookie): {0,8}([A-Za-z0-9_.-]{1,64}=[^\r\n"'\\]+)"""),
    Rule(
        "url_password", r"""[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/?#:@"'<>]{0,64}:([^\s/?#"'<>${*][^\s/?#"'<>]{0,255})@"""
    ),
)
"""Secrets that have a distinctive shape, anywhere in a text."""

SECRET_NAMES: Final = (
    *("access_key", "account_key", "api_key", "encryption_key", "master_key", "private_key", "secret_key"),
    *("signing_key", "subscription_key", "authorization", "cookie", "credential", "credentials"),
    *("passcode", "passphrase", "passwd", "password", "secret"),
    *("access_token", "api_token", "auth_token", "bearer_token", "id_token", "refresh_token", "session_token", "token"),
)
"""Names whose value is a secret, in any spelling and also at the end of longer names: `X-Api-Key`, `dbPassword`.
The value of `token` alone may be a word that a model generated: it is masked only if it looks random."""


def _spellings(names: Sequence[str]) -> str:
    """A pattern for any of `names`. With the first letter written in both cases, `re` is three times as fast."""
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
"""The start of a labelled value. For `token`, the pattern checks the value as well: a generated word may appear as
`"token": "hello"`."""

_LABELLED: Final = rf"""{_NAME}
    (?:\\{{0,15}}["'`])?\]?                                     # the end of the name, in JSON and in code
    (?P<sign>[ ]{{0,8}}(?:=>|:=|[=:](?!=))[ ]{{0,8}})
    (?:\[[ ]{{0,8}})?
    (?:
        (?P<quote>(?P<escape>\\{{0,15}})["'`])
        (?P<quoted>(?!-----BEGIN)(?:
            .*?(?<!\\)(?:\\(?P=escape)\\(?P=escape))*(?=(?P=quote))  # to the same quote, escaped as often
            |.*                                                 # or the text was cut off
        ))
    |
        (?i:(?:bearer|basic|token|apikey)[ ]{{1,4}})?
        (?P<bare>(?!-----BEGIN|[$%*])[^\s"'`&,;<>(){{}}\[\]\\|=]++(?:={{1,2}}(?!\w))?+)
        (?![(\[{{])                                             # otherwise it is a call
    )"""
"""A name of `SECRET_NAMES` with its value: JSON in a string, escaped any number of times, `KEY=value` or
`X-Api-Key: value`."""

_NO_SECRET: Final = re.compile(
    r"[\W_]*|none|null|nil|undefined|true|false|yes|no|include|omit|same-origin", re.IGNORECASE
)
"""Values that are not secrets: placeholders for an absent or masked value, flags, and `credentials` of a browser's
`fetch`."""

_WORD_AND_NUMBER: Final = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z]).{6,}")
_SCHEMA_TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_SCHEMA_WORDS: Final = frozenset({"$ref", "allOf", "anyOf", "oneOf", "enum"})
_NOT_REDACTED: Final = ("span_id", "parent_span_id")
"""Ids connect spans to their parents and to their keys in the table, so they stay as they were sent."""

_MARKER: Final = re.compile(r"(\[redacted:[a-z_]{1,40}\])")

# A token starts at the start of a word. JSON escapes end in letters and digits that are not part of a word.
_START: Final = r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"


class Redactor:
    """A redactor of the fields of spans, by `RULES`, `SECRET_NAMES` and the deployer's own regular expressions.

    With regular expressions of the deployer, every value of every span is checked, which is slower.
    *raises*: ValueError with the number of a regular expression that cannot be used.
    """

    def __init__(self, extra_patterns: Sequence[str] = ()) -> None:
        self._extra = [_custom_mask(number, pattern) for number, pattern in enumerate(extra_patterns, 1)]

    def redact(self, fields: SpanFields) -> SpanFields:
        """`fields` with the secrets masked in all fields except the ids; the same object if there are none."""
        if not self._extra and not _may_hold_secret(fields):
            return fields
        content: dict[str, Any] = {name: value for name, value in fields.items() if name not in _NOT_REDACTED}
        redacted = self._value(content)
        return fields if redacted == content else cast(SpanFields, {**fields, **redacted})

    def redact_text(self, text: str) -> str:
        """`text` with the secrets masked, as in a field of a span."""
        return self._text(text)

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if isinstance(value, dict):
            redacted = {
                self._text(name): _marker_by_name(name, item) or self._value(item) for name, item in value.items()
            }
            if (sha256 := sha256_of_reference(value)) is not None:
                redacted["ref"] = value["ref"]  # by chance, a hash may match a pattern of the deployer
                if value.get("sha256") == sha256:
                    redacted["sha256"] = sha256
            return redacted
        return value

    def _text(self, text: str) -> str:
        masks = [*(_masks() if _is_suspect(text.encode(errors="replace")) else ()), *self._extra]
        # A mask may uncover a match for another mask. Markers are never masked again, so that the loop ends.
        before = None
        while masks and text != before:
            before = text
            for mask in masks:
                text = mask.apply(text)
        return text


@dataclass(frozen=True, slots=True)
class _Mask:
    """A compiled rule. `occurs` is a quick check with false positives."""

    occurs: Callable[[bytes], object]
    pattern: re.Pattern[str]
    replace: Callable[[re.Match[str]], str]

    def apply(self, text: str) -> str:
        if not self.occurs(text.encode(errors="replace")):
            return text
        segments = _MARKER.split(text)
        segments[::2] = [self.pattern.sub(self.replace, segment) for segment in segments[::2]]
        return "".join(segments)


def _finder(pattern: str) -> Callable[[bytes], bool]:
    """A function that searches UTF-8 text for `pattern` with Rust's engine."""
    return SchemaValidator(core_schema.str_schema(pattern=pattern)).isinstance_python


@cache
def _masks() -> tuple[_Mask, ...]:
    """All masks, compiled for the first suspicious text: compiling takes 15 ms, which most cold starts can avoid."""
    labelled = _Mask(_finder(_LABEL), re.compile(_LABELLED, re.ASCII | re.MULTILINE | re.VERBOSE), _mask_labelled)
    return (labelled, *map(_rule_mask, RULES))


_SUSPICIONS: Final = tuple(map(_finder, (_LABEL, *(rule.pattern for rule in RULES))))
"""Separate patterns: one joined pattern has too many states for the engine's cache, so that text without repetitions
(Base64, other scripts) takes 100 times as long: half a minute for 4 MB."""


def _is_suspect(text: bytes) -> bool:
    return any(occurs_in(text) for occurs_in in _SUSPICIONS)


def _may_hold_secret(fields: SpanFields) -> bool:
    try:
        return _is_suspect(to_json(fields))
    except ValueError:  # for example a lone surrogate
        return True


def _rule_mask(rule: Rule) -> _Mask:
    pattern = re.compile(f"{_START}(?:{rule.pattern})", re.ASCII)

    def replace(match: re.Match[str]) -> str:
        return _marked(match, pattern.groups, rule.name) if rule.accepts(match[pattern.groups]) else match[0]

    return _Mask(_finder(rule.pattern), pattern, replace)


def _custom_mask(number: int, text: str) -> _Mask:
    try:
        pattern = re.compile(text)
    except re.error as error:
        problem = f"is not a valid regular expression: {error.msg}"
    else:
        if not pattern.search(""):
            return _Mask(lambda _: True, pattern, lambda match: _marked(match, 0, "custom") if match[0] else "")
        problem = "matches an empty string: require at least one character"
    raise ValueError(f"Redaction pattern {number} {problem}.")


def _mask_labelled(match: re.Match[str]) -> str:
    name, value, group = _secret_name(match["name"]), match["quoted"], "quoted"
    if value is None:
        value, group = match["bare"], "bare"
        # `api_key=settings.api_key` is code, "password: it must be long" is a sentence: a word is a value only directly
        # after `=`.
        if _NAME_AT_END.search(value) or (match["sign"] != "=" and not _stands_out(match)):
            return match[0]
    return _marked(match, group, name) if name and _is_secret(name, value) else match[0]


def _stands_out(match: re.Match[str]) -> bool:
    """Whether a value without quotes looks random, or ends its line and contains letters and digits."""
    ends_line = match.string[match.end() : match.end() + 1] in ("", "\n", "\r", "\\", '"', "'")
    return _looks_random(match["bare"]) or (ends_line and _WORD_AND_NUMBER.fullmatch(match["bare"]) is not None)


def _marked(match: re.Match[str], group: int | str, name: str) -> str:
    start, end = (index - match.start() for index in match.span(group))
    return f"{match[0][:start]}[redacted:{name}]{match[0][end:]}"


def _marker_by_name(name: str, value: Json) -> str | None:
    """The marker that replaces `value` because `name` identifies a secret. *absent*: None if the value may stay."""
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
    """Whether the value is a JSON schema that describes a parameter such as `password`, not its value."""
    kind = value.get("type")
    return not _SCHEMA_WORDS.isdisjoint(value) or (isinstance(kind, str) and kind.lower() in _SCHEMA_TYPES)
