"""Find secrets by what is around them: headers, URLs, command lines, markup, SQL and pairs.

Each rule has a quick check: a pattern without look-around, for Rust's engine, that begins with fixed characters. Its
matches begin with one of a few fixed texts, its anchors, so that its pattern is tried at these places alone: a search
at each character would take seconds a megabyte.
"""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from .search_budget import Budget
from .secret_kinds import START, Found
from .secret_names import (
    SecretName,
    canonical,
    is_no_word,
    is_secret,
    looks_random,
    secret_name,
)
from .text_places import QUOTE, anchor_places


@dataclass(frozen=True, slots=True)
class Structure:
    """A rule. If `accepts` returns true for a match, its group `value`, or all of it, is the secret.

    `occurs` is the quick check. *absent*: a text with the secret matches `LABEL`. The name of the secret is `name`, or
    the one that the pattern's group `name` matches. Each match begins with one of `anchors`, in any case. `is_word`
    unless the pattern may begin in the middle of a word.
    """

    name: str
    anchors: tuple[str, ...]
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


def _is_program_password(match: re.Match[str]) -> bool:
    """Whether an option of a program that takes passwords has one: it is no word, placeholder or number."""
    value = _value_of(match)
    return is_no_word(value) and _is_named_value(value)


def _is_named_value(value: str) -> bool:
    return is_secret(SecretName("password", False), value)


_MIXED_CASE: Final = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]")
_SYMBOL: Final = re.compile(r"[A-Za-z0-9][!#$%^&*+=?@~|][A-Za-z0-9!]|!$")
_LONG_TOKEN: Final = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z_+/-]*[0-9])(?=[0-9_+/-]*[A-Za-z])[A-Za-z0-9_+/-]{10,}")

_CHARACTERS: Final = r"""[^"'\\<>\r\n]"""
_NAME_FIELDS: Final = ("name", "key", "header", "field", "parameter", "id", "variable")
_VALUE_FIELDS: Final = ("value", "val", "content", "text")
_LINE_END: Final = r"(?:\r?\n|\\{1,31}r\\{1,31}n|\\{1,31}n)"

STRUCTURES: Final = (
    Structure(
        "private_key",
        ("-----begin ",),
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
        ("secret",),
        r"""(?i:secret[ _-]?(?:access[ _-]?)?key)[ :=>"'`|\\-]{1,12}(?P<value>[A-Za-z0-9/+]{40,})""",
        _always,
        _word("secret") + r"""[ _-]?(?:[Aa]ccess|ACCESS)?[ _-]?(?:[Kk]ey|KEY)[ :=>"'`|\\-]{1,12}[A-Za-z0-9/+]{10}""",
    ),
    Structure(
        "bearer_token",
        ("bearer ", "ssws "),
        r"(?i:bearer|ssws) {1,4}(?P<value>[A-Za-z0-9._~+/-]{8,}={0,2})",
        _is_bearer,
        _word("bearer", "ssws") + " {1,4}[A-Za-z0-9._~+/-]{8}",
    ),
    Structure(
        "basic_credentials",
        ("basic ",),
        r"(?i:basic) {1,4}(?P<value>[A-Za-z0-9+/]{8,}={0,2})",
        _is_credentials,
        _word("basic") + " {1,4}[A-Za-z0-9+/]{8}",
    ),
    Structure(
        "authorization",
        ("authorization",),
        rf"""(?i:authorization)(?:{QUOTE})?[ ]?[:=] {{0,4}}(?:{QUOTE})?(?P<scheme>[A-Za-z][A-Za-z0-9-]{{1,30}}) """
        rf"""{{1,2}}(?P<value>(?:[A-Za-z-]{{2,30}}=(?:{QUOTE}[^"'\\\r\n]{{0,300}}{QUOTE}|[^\s,"'\\]{{1,400}}),?"""
        r"""[ ]{0,2}){1,20}+|[^\s"'`\\<>{},;]{8,400})""",
        _has_token,
        _word("authorization") + r"""\\{0,31}["']? ?[:=]""",
    ),
    Structure(
        "cookie",
        ("cookie:",),
        r"""(?i:cookie): {0,8}(?P<value>[A-Za-z0-9_.-]{1,64}=[^\r\n"'\\]+)""",
        _has_token,
        _word("cookie") + ": {0,8}[A-Za-z0-9_.-]{1,64}=",
    ),
    Structure(
        "url_password",
        ("://",),
        r"""(?<=[A-Za-z0-9+.-])://[^\s/?#:@"'<>]{0,64}:(?P<value>[^\s/?#"'<>${*][^\s/?#"'<>]{0,255})@""",
        _always,
        r"""://[^\s/?#:@"'<>]{0,64}:[^\s/?#"'<>]+@""",
        is_word=False,
    ),
    Structure(
        "url_token",
        ("://",),
        r"""(?<=[A-Za-z0-9+.-])://(?P<value>[A-Za-z0-9_.~%-]{16,255})@""",
        _is_random,
        r"""://[A-Za-z0-9_.~%-]{16,}@""",
        is_word=False,
    ),
    Structure(
        "url_signature",
        ("signature=", "-token=", "token=", "sig=", "hmac=", "hdnea=", "verify="),
        r"(?:(?<=[?&;])|(?i:(?<=[?&;]x-amz-)|(?<=[?&;]x-ms-)|(?<=[?&;]x-goog-)|(?<=[?&;]x-amz-security)))"
        r"(?i:signature|-token|token|sig|hmac|hdnea|verify)=(?P<value>[A-Za-z0-9%+/_.~=-]{16,})",
        _has_token,
        r"(?:ignature|-Token|-token|[?&;]sig|[?&;]token|[?&;]hmac|[?&;]hdnea|[?&;]verify|amp;sig|amp;token)="
        r"[A-Za-z0-9%+/_.~=-]{16}",
        is_word=False,
    ),
    Structure(
        "login",
        ("-u", "--user", "--proxy-user"),
        rf"""(?:-u|--user|--proxy-user)(?:[ =]|{QUOTE}, ?)?(?:{QUOTE})?"""
        r"""(?P<user>[^\s:"'\\$<{+%]{1,64}):(?P<value>[^\s"'\\$<{`]{3,128})""",
        _is_login,
        rf"""(?:-u|--user)(?:[ =]|{QUOTE}, ?)?(?:{QUOTE})?[A-Za-z0-9_.@+-]{{1,64}}:[^\s"'/]""",
    ),
    Structure(
        "program_password",
        ("sshpass", "docker login", "podman login", "mysql", "mariadb", "redis-cli"),
        r"(?i:(?:docker|podman) login\b[^\r\n|;&]{0,120}? -p|sshpass(?: -[a-z]+){0,4} -p"
        r"|(?:mysql|mariadb)(?:dump|admin|import)?\b[^\r\n|;&]{0,120}? -p(?! )|redis-cli\b[^\r\n|;&]{0,120}? -a)"
        rf"""[ =]?(?:{QUOTE})?(?P<value>[^\s"'\\$<{{`]{{4,128}})""",
        _is_program_password,
        r"(?:sshpass|[rR]edis-cli|(?:docker|podman) login|mysql|mariadb)[^\r\n|;&]{0,120} -[pa]",
    ),
    Structure(
        "basic_credentials",
        ("auth",),
        rf"""auth(?:{QUOTE})?\s{{0,4}}[:=]\s{{0,4}}(?:{QUOTE})?(?P<value>[A-Za-z0-9+/]{{8,}}={{0,2}})""",
        _is_credentials,
        r"""auth(?:\\{0,31}["'])?[ ]{0,4}[:=][ ]{0,4}(?:\\{0,31}["'])?[A-Za-z0-9+/]{8}""",
    ),
    Structure(
        "option",
        ("--",),
        rf"""--(?P<name>[A-Za-z0-9][A-Za-z0-9_-]{{0,60}})(?:[ =]{{1,4}}|{QUOTE}, ?)(?P<quote>{QUOTE})?"""
        r"""(?P<value>[^\s"'\\$<{`=-][^\s"'\\<{`]{0,255})""",
        _is_password,
        r"""--[A-Za-z0-9-]{0,40}(?:[kK]ey|[tT]oken|pass|[pP]assword|passwd|[sS]ecret|credentials?|jwt|pwd|creds)"""
        r"""s?[0-9_-]{0,4}(?:[ =]|\\{0,31}["'],)""",
    ),
    Structure(
        "netrc_password",
        ("login", "user"),
        r"(?i:login|user)(?:\s|\\{1,31}[nrt]){1,8}[^\s\\]{1,128}(?:\s|\\{1,31}[nrt]){1,8}(?i:password|passwd)"
        r"(?:\s|\\{1,31}[nrt]){1,8}(?P<value>[^\s\\\"']{1,256})",
        _is_netrc,
        r"(?:[lL]ogin|LOGIN|user)(?:[ \t\n\r]|\\[nrt]){1,8}[!-~]{1,128}(?:[ \t\n\r]|\\[nrt]){1,8}(?:pass|PASS)",
    ),
    Structure(
        "sql_password",
        ("identified by", "password"),
        r"""(?i:identified by|encrypted password|with password|password for [^\s=]{1,64} =|password ?\(|password =?)"""
        r""" ?'(?P<value>[^'\r\n]{1,256})'""",
        lambda match: _is_named_value(_value_of(match)),
        rf"""{_word("identified by")} ?'|{_word("password")}(?: (?:for|FOR) [!-~]{{1,64}})?[ (=]{{0,3}}'""",
    ),
    Structure(
        "xml",
        ("<",),
        r"<(?P<name>[A-Za-z_][\w.:-]{1,80})(?: [^<>]{0,200})?>(?:<!\[CDATA\[)?"
        r"(?P<value>[^<>\s][^<>]{0,400})(?:\]\]>)?</",
        _is_named,
        is_word=False,
    ),
    Structure(
        "pair",
        _NAME_FIELDS,
        rf"""(?i:{"|".join(_NAME_FIELDS)})(?:{QUOTE})? {{0,4}}[:=]>? {{0,4}}{QUOTE}"""
        rf"""(?P<name>{_CHARACTERS}{{1,96}}){QUOTE}\s{{0,40}},?(?:\s|\\{{1,31}}n){{0,40}}(?:{QUOTE})?"""
        rf"""(?i:value|val|content|text)(?:{QUOTE})?\s{{0,4}}[:=]>?\s{{0,4}}{QUOTE}(?P<value>{_CHARACTERS}{{1,4000}})""",
        _is_named,
    ),
    Structure(
        "pair",
        _VALUE_FIELDS,
        rf"""(?i:{"|".join(_VALUE_FIELDS)})(?:{QUOTE})? {{0,4}}[:=] {{0,4}}{QUOTE}"""
        rf"""(?=(?P<value>{_CHARACTERS}{{1,4000}}){QUOTE}\s{{0,8}},\s{{0,40}}{QUOTE}(?i:name|key|header){QUOTE}\s{{0,4}}:\s{{0,4}}{QUOTE}"""
        rf"""(?P<name>{_CHARACTERS}{{1,96}}){QUOTE})""",
        _is_named,
    ),
    Structure(
        "pair",
        ("[", "("),
        rf"""[\[(]\s{{0,8}}{QUOTE}(?P<name>{_CHARACTERS}{{1,96}}){QUOTE}\s{{0,8}},\s{{0,8}}{QUOTE}"""
        rf"""(?P<value>{_CHARACTERS}{{6,4000}}){QUOTE}\s{{0,8}}[\])]""",
        _is_named_token,
        is_word=False,
    ),
)
"""Secrets that have a distinctive environment."""


def structured_in(rule: Structure, text: str, budget: Budget) -> Iterator[Found]:
    """The secrets that a rule finds in a text."""
    pattern, end = _compiled(rule), 0
    for start, _ in anchor_places(rule.anchors, text, budget):
        if start < end or not (match := pattern.match(text, start)):
            continue
        budget.spend(4)
        end = match.end()
        if rule.accepts(match):
            name = secret_name(match["name"]) if "name" in pattern.groupindex else None
            span = match.span("value" if "value" in pattern.groupindex else 0)
            yield Found(*span, canonical(name) if name else rule.name)


@cache
def _compiled(rule: Structure) -> re.Pattern[str]:
    return re.compile(f"{START if rule.is_word else ''}(?:{rule.pattern})", re.ASCII)
