"""Recognise the names whose values are secrets, and the values that are no secrets although they have such a name."""

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final, NamedTuple

from tracestore.domain.spans import Json

SECRET_NAMES: Final = (
    *("access_key", "account_key", "api_key", "encryption_key", "master_key", "private_key", "secret_key"),
    *("signing_key", "subscription_key", "authorization", "cookie", "credentials", "credential"),
    *("passcode", "passphrase", "passwd", "password", "secret"),
    *("access_token", "api_token", "auth_token", "bearer_token", "id_token", "refresh_token", "session_token", "token"),
)
"""Names whose value is a secret, in any spelling and also at the end of longer names: `X-Api-Key`, `dbPassword`.
The value of `token` alone may be a word that a model generated: it is masked only if it looks random."""

_PROVIDERS: Final = (
    *("anthropic", "azure", "brave", "claude", "cohere", "deepgram", "deepseek", "elevenlabs", "exa", "firecrawl"),
    *("fireworks", "gemini", "google", "groq", "huggingface", "jina", "langfuse", "langsmith", "mistral", "nvidia"),
    *("openai", "openrouter", "perplexity", "pinecone", "replicate", "sendgrid", "serpapi", "stripe", "supabase"),
    *("tavily", "together", "voyage", "xai"),
)
PROVIDER_NAMES: Final = tuple(f"{provider}_key" for provider in _PROVIDERS)
"""Names of keys that end in `_key` alone, of well-known providers."""

SHORT_NAMES: Final = ("creds", "jwt", "pass", "pwd")
"""Short names, which also occur in other words (`compass`) or mean something else (`PWD` of a shell)."""

RANDOM_NAMES: Final = (
    *("admin_key", "app_key", "consumer_key", "deploy_key", "function_key", "functions_key", "hmac_key", "host_key"),
    *("license_key", "service_key", "service_role_key", "shared_key", "storage_key", "key_data", "token"),
)
"""Names whose value is masked only if it looks random."""


def spellings(names: Sequence[str]) -> str:
    """A pattern for any of `names`. With the first letter written in both cases, `re` is three times as fast."""
    return "|".join(
        f"{initial}(?i:{name[1:].replace('_', '[_. -]?')})" for name in names for initial in (name[0], name[0].upper())
    )


_SHORT: Final = "|".join(
    rf"(?<![A-Za-z])[{name[0]}{name[0].upper()}](?i:{name[1:]})|(?<=[a-z0-9_]){name.capitalize()}"
    for name in SHORT_NAMES
)

ORDINAL: Final = "(?:[_-]?[0-9]{1,3})?"
"""The number at the end of a name such as `openai_api_key_2`."""

NAME: Final = (
    f"(?P<name>{spellings((*SECRET_NAMES, *PROVIDER_NAMES, *RANDOM_NAMES[:-1]))}|{_SHORT})(?P<plural>[sS]?){ORDINAL}"
)
"""A pattern of a name, for Python's engine, with the groups `name` and `plural`."""


@cache
def name_at_end() -> re.Pattern[str]:
    """The pattern of a name at the end of a longer one, compiled on first use: that takes several milliseconds."""
    return re.compile(rf"{NAME}\Z", re.ASCII)


@cache
def code_at_end() -> re.Pattern[str]:
    """The pattern of a name at the end of a variable, such as `settings.api_key`, which code assigns."""
    return re.compile(rf"(?:{spellings(SECRET_NAMES)})[sS]?\Z", re.ASCII)


NO_SECRET: Final = re.compile(
    r"[\W_]*|none|null|nil|undefined|true|false|yes|no|include|omit|same-origin"
    r"|required|optional|hidden|disabled|enabled|string|text|str|boolean|integer|number|object"
    r"|read|write|admin|delete|ingest|annotate|inherit|lambda|await|async|new"
    r"|any|all|user|api|header|query|body|bearer|basic|oauth2?|oidc|api[_ -]?key|jwt|token|password|credentials?|secret"
    r"|(?:your|my|the|an?|insert|enter|put|replace)[-_ ].{0,60}|x{3,}|.{0,60}[-_ ]here|<[^<>]{0,80}>|\{\{.{0,80}\}\}"
    r"|(?:(?:bearer|basic|token)[ ]+)?\\{0,31}(?:\$[A-Za-z_][\w.]{0,80}|\$\{[^{}]{0,80}\}|\$\([^()]{0,80}\))"
    r"|%[A-Za-z_]{1,60}%|(?:process\.env|os\.environ|env|secrets|vars)\.\w{1,60}"
    r"|[A-Za-z0-9_-]{0,12}(?:\.{3}|\u2026|\\{1,31}u2026|\*{3,}).{0,8}",
    re.IGNORECASE,
)
"""Values that are not secrets: placeholders for an absent or masked value, flags, words for a permission or a type,
references to a variable, and `credentials` of a browser's `fetch`."""

_ALL_CAPITALS: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_PAGE_TOKEN: Final = re.compile(
    r"(?:page|next|previous|prev|continuation|continue|cursor|delta|resume|skip|sync|start|batch|change)[_. -]?token\Z",
    re.IGNORECASE,
)
_RANDOM_CHARACTER: Final = "[A-Za-z0-9_.~+/=:%-]"
RANDOM_CHARACTER: Final = _RANDOM_CHARACTER
_RANDOM: Final = re.compile(f"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z]){_RANDOM_CHARACTER}{{20,}}")
WORD_AND_NUMBER: Final = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])\S{6,}")
_MIXED: Final = re.compile(r"(?=\S{8,}\Z)\S*[a-z][A-Z]\S*[a-z][A-Z]\S*")
_PATH_OR_NUMBER: Final = re.compile(r"[/~.\\].*|[A-Za-z]:[\\/].*|[0-9.,%]*|.*\s.*", re.DOTALL)
_SCHEMA_TYPES: Final = frozenset(
    {"array", "boolean", "integer", "null", "number", "object", "string"}
    | {"apikey", "http", "oauth2", "openidconnect", "mutualtls"}  # the security schemes of OpenAPI
)
_SCHEMA_WORDS: Final = frozenset({"$ref", "allOf", "anyOf", "oneOf", "enum"})
_SCHEMA_NOTES: Final = frozenset(
    {"description", "title", "format", "minLength", "maxLength", "pattern", "required", "nullable", "deprecated"}
)


NAME_ENDS: Final = tuple(
    sorted({name.rpartition("_")[2] for name in (*SECRET_NAMES, *PROVIDER_NAMES, *RANDOM_NAMES, *SHORT_NAMES)})
)
"""The last words of all names."""

_STEMS: Final = tuple({end.rstrip("s") for end in NAME_ENDS})


class SecretName(NamedTuple):
    """The canonical form of a name. `is_plural` for names such as `api_keys`."""

    name: str
    is_plural: bool


_CANONICAL: Final = {
    **{name.replace("_", ""): name for name in (*SECRET_NAMES, *RANDOM_NAMES, *SHORT_NAMES)},
    **{name.replace("_", ""): "api_key" for name in PROVIDER_NAMES},
    **{"pass": "password", "pwd": "password", "creds": "credentials", "jwt": "jwt"},
}


@lru_cache(maxsize=4096)
def secret_name(name: str) -> SecretName | None:
    """The name at the end of `name` that identifies a secret. *absent*: None, also for the token of a page."""
    if not name.rstrip("0123456789_-sS").lower().endswith(_STEMS):
        return None
    match = name_at_end().search(name)
    if match is None or _PAGE_TOKEN.search(name):
        return None
    spelled = re.sub("[_. -]", "", match["name"].lower())
    return SecretName(spelled if spelled in SHORT_NAMES else _CANONICAL[spelled], bool(match["plural"]))


def canonical(name: SecretName) -> str:
    """The name in a marker."""
    return _CANONICAL.get(name.name, name.name)


def looks_random(text: str) -> bool:
    """Whether `text` looks like a token rather than a word: long, of letters and digits, with few repetitions."""
    return _RANDOM.fullmatch(text) is not None and len(set(text)) >= 10


def is_no_word(text: str) -> bool:
    """Whether `text` is no word of a sentence: it contains letters and digits, or changes its case more than once."""
    return WORD_AND_NUMBER.fullmatch(text) is not None or _MIXED.fullmatch(text) is not None


def is_secret(name: SecretName, value: str) -> bool:
    """Whether a text is a secret, given the name under which it is."""
    if NO_SECRET.fullmatch(value) or (_ALL_CAPITALS.fullmatch(value) and name_at_end().search(value)):
        return False
    if name.name in RANDOM_NAMES:
        return looks_random(value)
    if name.name in SHORT_NAMES:
        return _PATH_OR_NUMBER.fullmatch(value) is None
    return not name.is_plural or is_no_word(value)


def holds_secret(name: SecretName, value: Json) -> bool:
    """Whether a value contains a secret, given the name under which it is."""
    if isinstance(value, str):
        return is_secret(name, value)
    if name.name in RANDOM_NAMES:
        return False
    if isinstance(value, list):
        return any(holds_secret(name, item) for item in value)
    if isinstance(value, dict):
        return not is_schema(value) and any(holds_secret(name, item) for item in value.values())
    return False


def is_schema(value: dict[str, Json]) -> bool:
    """Whether the value is a JSON schema that describes a parameter such as `password`, not its value."""
    kind = value.get("type")
    types = kind if isinstance(kind, list) else [kind]
    has_type = bool(types) and all(isinstance(word, str) and word.lower() in _SCHEMA_TYPES for word in types)
    return has_type or not _SCHEMA_WORDS.isdisjoint(value) or (bool(value) and value.keys() <= _SCHEMA_NOTES)
