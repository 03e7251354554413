"""Find secrets by what is around them: headers, URLs, command lines, markup, SQL, and names with values in a text.

Each rule has a quick check: a pattern without look-around, for Rust's engine, that begins with fixed characters.
"""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from .secret_kinds import START, Found
from .secret_names import (
    NAME,
    ORDINAL,
    PROVIDER_NAMES,
    RANDOM_CHARACTER,
    RANDOM_NAMES,
    SECRET_NAMES,
    SHORT_NAMES,
    WORD_AND_NUMBER,
    SecretName,
    canonical,
    code_at_end,
    is_no_word,
    is_secret,
    looks_random,
    secret_name,
    spellings,
)


@dataclass(frozen=True, slots=True)
class Structure:
    """A rule. If `accepts` returns true for a match, its group `value`, or all of it, is the secret.

    `occurs` is the quick check. *absent*: a text with the secret matches `LABEL`. The name of the secret is `name`, or
    the one that the pattern's group `name` matches. `is_word` unless the pattern may begin in the middle of a word.
    """

    name: str
    pattern: str
    accepts: Callable[[re.Match[str]], bool]
    occurs: str = ""
    is_word: bool = True


def _word(*texts: str) -> str:
    """A pattern of these words as they are written in code, headers and sentences."""
    return f"(?:{'|'.join(form for text in texts for form in (text, text.capitalize(), text.upper()))})"


def _always(_: re.Match[str]) -> bool:
    return True


def _value_of(match: re.Match[str]) -> str:
    return match["value"]


def _is_credentials(match: re.Match[str]) -> bool:
    """Whether the value is `user:password` in Base64, as in `Authorization: Basic`."""
    text = _value_of(match)
    try:
        decoded = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except ValueError:
        return False
    return b":" in decoded and decoded.decode("latin-1").isprintable()


def _is_bearer(match: re.Match[str]) -> bool:
    text = _value_of(match)
    return any(map(str.isdigit, text)) or (len(text) >= 20 and _MIXED_CASE.search(text) is not None)


def _is_random(match: re.Match[str]) -> bool:
    return looks_random(_value_of(match))


def _has_token(match: re.Match[str]) -> bool:
    """Whether any word of the value consists of letters and digits, and is longer than the name of a standard."""
    return _LONG_TOKEN.search(_value_of(match)) is not None


def _is_password(match: re.Match[str]) -> bool:
    """Whether a value after a name is a secret: not a placeholder, and no word of a sentence."""
    name, value = secret_name(match["name"]), _value_of(match)
    stands_out = match["quote"] or is_no_word(value) or _SYMBOL.search(value)
    return bool(stands_out) and name is not None and is_secret(name, value)


def _is_named(match: re.Match[str]) -> bool:
    name = secret_name(match["name"])
    return name is not None and is_secret(name, _value_of(match))


def _is_named_token(match: re.Match[str]) -> bool:
    return _is_named(match) and is_no_word(_value_of(match))


def _is_login(match: re.Match[str]) -> bool:
    """Whether `-u a:b` is a user with a password, and not two ids or the user and the group of a process."""
    user, password = match["user"], _value_of(match)
    return password != user and not password.isdigit() and _is_named_value(password)


def _is_netrc(match: re.Match[str]) -> bool:
    """Whether the value is a password after a login, in a file of machines or because it is no word."""
    value = _value_of(match)
    return _is_named_value(value) and (
        "machine" in match.string[max(0, match.start() - 300) : match.start()] or is_no_word(value)
    )


def _is_named_value(value: str) -> bool:
    return is_secret(SecretName("password", False), value)


_MIXED_CASE: Final = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]")
_SYMBOL: Final = re.compile(r"[A-Za-z0-9][!#$%^&*+=?@~|][A-Za-z0-9!]|!$")
_LONG_TOKEN: Final = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z_+/-]*[0-9])(?=[0-9_+/-]*[A-Za-z])[A-Za-z0-9_+/-]{10,}")

_QUOTE: Final = r"""\\{0,31}["']"""
_CHARACTERS: Final = r"""[^"'\\<>\r\n]"""
_STRONG: Final = "|".join(
    (
        spellings([name for name in SECRET_NAMES if name not in RANDOM_NAMES]),
        spellings(PROVIDER_NAMES),
        spellings(SHORT_NAMES),
    )
)

_LINE_END: Final = r"(?:\r?\n|\\{1,31}r\\{1,31}n|\\{1,31}n)"

STRUCTURES: Final = (
    Structure(
        "private_key",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:"
        rf"(?:(?:{_LINE_END}[ \t]{{0,16}})++(?:[A-Za-z][A-Za-z-]{{2,20}}: [^\r\n\\]{{0,100}}|[A-Za-z0-9+/=]++)?)*+"
        r"(?:\s|\\{1,31}[nrt])*+-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        rf"|(?:(?:\s|\\{{1,31}}[nrt])++(?:(?:Proc-Type|DEK-Info|Version|Comment|Hash): [^\r\n\\]{{0,100}}"
        r"|[A-Za-z0-9+/=_-]{24,}+))++(?:(?:\s|\\{1,31}[nrt])++[A-Za-z0-9+/]{1,23}(?:={1,2}|\Z))?"
        r"(?:(?:\s|\\{1,31}[nrt])*+-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?)",
        _always,
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY",
    ),
    Structure(
        "aws_secret_key",
        r"""(?i:secret[ _-]?(?:access[ _-]?)?key)[ :=>"'`|\\-]{1,12}(?P<value>[A-Za-z0-9/+]{40,})""",
        _always,
        _word("secret") + r"""[ _-]?(?:[Aa]ccess|ACCESS)?[ _-]?(?:[Kk]ey|KEY)[ :=>"'`|\\-]{1,12}[A-Za-z0-9/+]{10}""",
    ),
    Structure(
        "bearer_token",
        r"(?i:bearer) {1,4}(?P<value>[A-Za-z0-9._~+/-]{8,}={0,2})",
        _is_bearer,
        _word("bearer") + " {1,4}[A-Za-z0-9._~+/-]{8}",
    ),
    Structure(
        "basic_credentials",
        r"(?i:basic) {1,4}(?P<value>[A-Za-z0-9+/]{8,}={0,2})",
        _is_credentials,
        _word("basic") + " {1,4}[A-Za-z0-9+/]{8}",
    ),
    Structure(
        "authorization",
        rf"""(?i:authorization)(?:{_QUOTE})?[ ]?[:=] {{0,4}}(?:{_QUOTE})?(?P<scheme>[A-Za-z][A-Za-z0-9-]{{1,30}}) """
        rf"""{{1,2}}(?P<value>(?:[A-Za-z-]{{2,30}}=(?:{_QUOTE}[^"'\\\r\n]{{0,300}}{_QUOTE}|[^\s,"'\\]{{1,400}}),?"""
        r"""[ ]{0,2}){1,20}+|[^\s"'`\\<>{},;]{8,400})""",
        _has_token,
        _word("authorization") + r"""\\{0,31}["']? ?[:=]""",
    ),
    Structure(
        "cookie",
        r"""(?i:set-cookie|cookie): {0,8}(?P<value>[A-Za-z0-9_.-]{1,64}=[^\r\n"'\\]+)""",
        _has_token,
        _word("cookie") + ": {0,8}[A-Za-z0-9_.-]{1,64}=",
    ),
    Structure(
        "url_password",
        r"""[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/?#:@"'<>]{0,64}:(?P<value>[^\s/?#"'<>${*][^\s/?#"'<>]{0,255})@""",
        _always,
        r"""://[^\s/?#:@"'<>]{0,64}:[^\s/?#"'<>]+@""",
    ),
    Structure(
        "url_token",
        r"""[A-Za-z][A-Za-z0-9+.-]{1,20}://(?P<value>[A-Za-z0-9_.~%-]{16,255})@""",
        _is_random,
        r"""://[A-Za-z0-9_.~%-]{16,}@""",
    ),
    Structure(
        "url_signature",
        r"(?:[?&;]|amp;)(?i:x-amz-signature|x-amz-security-token|x-goog-signature|x-ms-signature|signature|sig|hmac"
        r"|hdnea|verify|token)=(?P<value>[A-Za-z0-9%+/_.~=-]{16,})",
        _has_token,
        r"(?:ignature|-Token|-token|[?&;]sig|[?&;]token|[?&;]hmac|[?&;]hdnea|[?&;]verify|amp;sig|amp;token)="
        r"[A-Za-z0-9%+/_.~=-]{16}",
        is_word=False,
    ),
    Structure(
        "login",
        rf"""(?:-u|--user|--proxy-user)(?:[ =]|{_QUOTE}, ?)?(?:{_QUOTE})?"""
        r"""(?P<user>[^\s:"'\\$<{]{1,64}):(?P<value>[^\s"'\\$<{`]{1,128})""",
        _is_login,
        rf"""(?:-u|--user)(?:[ =]|{_QUOTE}, ?)?(?:{_QUOTE})?[A-Za-z0-9_.@+-]{{1,64}}:[^\s"'/]""",
    ),
    Structure(
        "option",
        rf"""--[A-Za-z0-9-]{{0,40}}?{NAME}(?:[ =]{{1,4}}|{_QUOTE}, ?)(?P<quote>{_QUOTE})?"""
        r"""(?P<value>[^\s"'\\$<{`=-][^\s"'\\<{`]{0,255})""",
        _is_password,
        r"""--[A-Za-z0-9-]{0,40}(?:[kK]ey|[tT]oken|pass|[pP]assword|passwd|[sS]ecret|credentials?|jwt|pwd|creds)"""
        r"""s?[0-9_-]{0,4}(?:[ =]|\\{0,31}["'],)""",
    ),
    Structure(
        "netrc_password",
        r"(?i:login|user)(?:\s|\\{1,31}[nrt]){1,8}[^\s\\]{1,128}(?:\s|\\{1,31}[nrt]){1,8}(?i:password|passwd)"
        r"(?:\s|\\{1,31}[nrt]){1,8}(?P<value>[^\s\\\"']{1,256})",
        _is_netrc,
        r"(?:[lL]ogin|LOGIN|user)(?:[ \t\n\r]|\\[nrt]){1,8}[!-~]{1,128}(?:[ \t\n\r]|\\[nrt]){1,8}(?:pass|PASS)",
    ),
    Structure(
        "sql_password",
        r"""(?i:identified by|encrypted password|with password|password for [^\s=]{1,64} =|password ?\(|password =?)"""
        r""" ?'(?P<value>[^'\r\n]{1,256})'""",
        lambda match: _is_named_value(_value_of(match)),
        rf"""{_word("identified by")} ?'|{_word("password")}(?: (?:for|FOR) [!-~]{{1,64}})?[ (=]{{0,3}}'""",
    ),
    Structure(
        "xml",
        rf"<(?:[A-Za-z]\w{{0,20}}:)?[\w.-]{{0,40}}?{NAME}(?: [^<>]{{0,200}})?>(?:<!\[CDATA\[)?"
        r"(?P<value>[^<>\s][^<>]{0,400}?)(?:\]\]>)?</",
        _is_named,
        is_word=False,
    ),
    Structure(
        "pair",
        rf"""(?i:name|key|header|field|parameter|id|variable)(?:{_QUOTE})? {{0,4}}[:=]>? {{0,4}}{_QUOTE}"""
        rf"""{_CHARACTERS}{{0,64}}?{NAME}{_QUOTE}\s{{0,40}},?(?:\s|\\{{1,31}}n){{0,40}}(?:{_QUOTE})?"""
        rf"""(?i:value|val|content|text)(?:{_QUOTE})?\s{{0,4}}[:=]>?\s{{0,4}}{_QUOTE}(?P<value>{_CHARACTERS}{{1,4000}})""",
        _is_named,
    ),
    Structure(
        "pair",
        rf"""(?i:value|val|content|text)(?:{_QUOTE})? {{0,4}}[:=] {{0,4}}{_QUOTE}"""
        rf"""(?=(?P<value>{_CHARACTERS}{{1,4000}}){_QUOTE}\s{{0,8}},\s{{0,40}}{_QUOTE}(?i:name|key|header){_QUOTE}\s{{0,4}}:\s{{0,4}}{_QUOTE}{_CHARACTERS}{{0,64}}?"""
        rf"""{NAME}{_QUOTE})""",
        _is_named,
    ),
    Structure(
        "pair",
        rf"""[\[(]\s{{0,8}}{_QUOTE}{_CHARACTERS}{{0,64}}?{NAME}{_QUOTE}\s{{0,8}},\s{{0,8}}{_QUOTE}"""
        rf"""(?P<value>{_CHARACTERS}{{6,4000}}){_QUOTE}\s{{0,8}}[\])]""",
        _is_named_token,
        is_word=False,
    ),
)
"""Secrets that have a distinctive environment."""

_SIGN: Final = r"""\\{0,31}["'`]?\]? {0,8}[=:]"""
LABEL: Final = (
    rf"""(?:{_STRONG})[sS]?{ORDINAL}(?:{_SIGN}|\\{{0,31}}["'](?:[ ,}}\n]|\\{{1,31}}n)|>|[ ][a-z:]{{1,20}}=)"""
    rf"""|(?:{spellings(RANDOM_NAMES)})[sS]?{ORDINAL}(?:{_SIGN}[ =>\[\\"'`]{{0,48}}{RANDOM_CHARACTER}{{20}}"""
    rf"""|{_QUOTE}, ?{_QUOTE}(?:[vV]al|content|text)|>)"""
)
"""The start of a labelled value. For names whose value has to look random, the pattern checks the value as well: a
generated word may appear as `"token": "hello"`. A name in quotes may be part of a pair, one before `>` an element."""

_LABELLED: Final = rf"""{NAME}
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
"""A secret name with its value: JSON in a string, escaped any number of times, `KEY=value` or `X-Api-Key: value`."""


_NAME_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_. -"


def labelled_in(text: str) -> Iterator[Found]:
    """The values of secret names in a text."""
    for match in _labelled().finditer(text):
        before = text[max(0, match.start() - 16) : match.start()]
        words = before[len(before.rstrip(_NAME_CHARACTERS)) :]  # without a value before them, names repeat
        name = secret_name(words + match["name"] + (match["plural"] or ""))
        value, group = match["quoted"], "quoted"
        if value is None:
            value, group = match["bare"], "bare"
            # `api_key=settings.api_key` is code, "password: it must be long" is a sentence: a word is a value only
            # directly after `=`.
            if code_at_end().search(value) or (match["sign"] != "=" and not _stands_out(match)):
                continue
        if name and is_secret(name, value):
            yield Found(*match.span(group), canonical(name))


@cache
def _labelled() -> re.Pattern[str]:
    return re.compile(_LABELLED, re.ASCII | re.MULTILINE | re.VERBOSE)


def _stands_out(match: re.Match[str]) -> bool:
    """Whether a value without quotes looks random, or ends its line and contains letters and digits."""
    ends_line = match.string[match.end() : match.end() + 1] in ("", "\n", "\r", "\\", '"', "'")
    return looks_random(match["bare"]) or (ends_line and WORD_AND_NUMBER.fullmatch(match["bare"]) is not None)


def structured_in(rule: Structure, text: str) -> Iterator[Found]:
    """The secrets that a rule finds in a text."""
    pattern = _compiled(rule)
    for match in pattern.finditer(text):
        if rule.accepts(match):
            name = secret_name(match["name"]) if "name" in pattern.groupindex else None
            span = match.span("value" if "value" in pattern.groupindex else 0)
            yield Found(*span, canonical(name) if name else rule.name)


@cache
def _compiled(rule: Structure) -> re.Pattern[str]:
    return re.compile(f"{START if rule.is_word else ''}(?:{rule.pattern})", re.ASCII)
