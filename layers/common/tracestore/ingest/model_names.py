"""Read the name of a model in every form in which providers, gateways and clients write it.

A name may be a path (`openrouter/anthropic/claude-sonnet-4.5`, `bedrock/converse/us.anthropic.…`), a resource (an ARN,
`projects/…/models/…`), and have suffixes that do not change the model (`:online`, `[1m]`, `@default`). Each reading
removes one of these, from the name as it is to the plainest one. What decides about the price is kept: the profile of a
Bedrock id, `:free`, and the names of fine-tuned models. Knows no models and no prices.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

GATEWAYS: Final = frozenset(
    {
        *(
            "ai_gateway",
            "ai-gateway",
            "cloudflare_ai_gateway",
            "gateway",
            "helicone",
            "litellm",
            "litellm_proxy",
            "llm",
        ),
        *("portkey", "requesty", "vercel", "vercel_ai_gateway", "workers-ai", "compat", "text-completion-openai"),
    }
)
"""Prefixes that name a gateway, which passes the call on to the provider of the rest of the name."""

ROUTES: Final = frozenset(
    {"chat", "converse", "converse_like", "global", "global-standard", "invoke", "o_series", "responses", "messages"}
)
"""Prefixes that name a part of a provider's API."""

_REGION: Final = re.compile(
    r"[a-z]{2,4}(?:-gov)?-(?:north|south|east|west|central|northeast|southeast|southwest)+-?\d+"
)

_PROFILES: Final = "us|eu|apac|jp|au|in|ca|sa|me|af|il|mx|us-gov"
_MAKERS: Final = (
    "ai21|amazon|anthropic|cohere|deepseek|google|luma|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|"
    "stability|twelvelabs|writer|zai"
)
_BEDROCK_ID: Final = rf"(?:(?:{_PROFILES}|global)\.)?(?:{_MAKERS})\.[a-z]"
_REGIONAL_PROFILE: Final = rf"^(?:{_PROFILES})\.(?=(?:{_MAKERS})\.)"
"""Regional profiles have the price of the id without a profile. The global profile has its own."""
ID_AT_BEDROCK: Final = re.compile(
    rf"(?:{_PROFILES}|global)\.(?P<profiled_maker>{_MAKERS})\.[a-z][\w.:-]*"
    rf"|(?P<maker>{_MAKERS})\.[a-z][\w.-]*-(?:v\d+(?::\d+)?|\d+:\d+)"
)
"""The id of a model at Bedrock with a profile or a version, as in `us.anthropic.claude-…-v1:0`."""

_ARN: Final = r"arn:aws[a-z-]*:bedrock:[^:]*:[^:]*:(?:foundation-model|inference-profile)/(?P<model>.+)"
_RESOURCES: Final = (
    r"(?:projects/.+/)?(?:publishers/[^/]+/)?models/(?P<model>[^/]+)"
    r"|azureml://registries/[^/]+/models/(?P<model_of_registry>[^/]+)(?:/versions/.*)?"
    r"|(?:.*/)?openai/deployments/(?P<deployment>[^/]+)(?:/.*)?"
)
_SUFFIXES: Final = (
    (r":(?:stream)?(?:generatecontent|rawpredict|predict)$", ""),
    (r"(?::(?:online|thinking|nitro|floor|exacto|beta|default)|\[1m\]|@(?:default|latest|\d{3}))$", ""),
    (r"@(?=20\d{6}$)", "-"),  # Vertex writes the date of Anthropic's models after an `@`.
)
_VERSION: Final = r"(?:[-@]20\d{6})?(?:-v\d+(?::\d+)?)?"
_STRUCTURE: Final = frozenset("/:.@[")
_LONGEST_PATH: Final = 6

ProviderId = Callable[[str], str | None]
"""A function that returns the id of the provider with a name; None for any other word."""


class Reading(NamedTuple):
    """A name of a model. `owner` is the id of the provider that the full name contains. *absent*: None."""

    owner: str | None
    name: str


def readings(name: str, provider_id: ProviderId) -> Iterator[Reading]:
    """The readings of a name, from the name as it is to the plainest one, in lower case."""
    whole = Reading(None, name.strip().lower())
    if _STRUCTURE.isdisjoint(whole.name):
        yield whole
        return
    seen = set()
    for path in _paths(whole, provider_id):
        for reading in _plainer(path):
            if reading not in seen:
                seen.add(reading)
                yield reading


def says_more(name: str, other: str) -> bool:
    """Whether a name is the other one with a prefix, such as the profile of a Bedrock id, and perhaps a version."""
    before, found, after = name.lower().rpartition(other.lower())
    return bool(found) and before.endswith((".", "/", ":")) and re.fullmatch(_VERSION, after) is not None


def _paths(reading: Reading, provider_id: ProviderId) -> Iterator[Reading]:
    """The name, and what remains of it without each prefix."""
    yield reading
    for _ in range(_LONGEST_PATH):
        owner, name = reading
        if arn := re.fullmatch(_ARN, name):
            reading = Reading("aws", arn["model"])
        elif resource := re.fullmatch(_RESOURCES, name):
            reading = Reading(owner, next(filter(None, resource.groups())))
        elif owner != "aws" and re.match(_BEDROCK_ID, name):
            reading = Reading("aws", name)
        elif (rest := _without_prefix(reading, provider_id)) is not None:
            reading = rest
        else:
            return
        yield reading


def _without_prefix(reading: Reading, provider_id: ProviderId) -> Reading | None:
    owner, name = reading
    split = re.fullmatch(r"([^/:]*)([/:])(.*)", name)
    if split is None:
        return None
    prefix, separator, rest = split.groups()
    is_path = separator == "/"
    if is_path and (prefix in GATEWAYS or prefix in ROUTES or prefix.startswith("@") or re.fullmatch(_REGION, prefix)):
        return None if prefix == "@cf" else Reading(owner, rest)
    # The colon of a version is no separator: `anthropic.claude-v2:1`.
    if rest and (is_path or "." not in prefix) and (provider := provider_id(prefix)) is not None:
        return Reading(provider, rest)
    first, slash, last = name.rpartition("/")  # `gpt-4o/openai`, as Helicone writes it
    if slash and "/" not in first and (provider := provider_id(last)) is not None:
        return Reading(provider, first)
    return None


def _plainer(reading: Reading) -> Iterator[Reading]:
    yield reading
    name = reading.name
    for suffix, replacement in _SUFFIXES:
        if (plainer := re.sub(suffix, replacement, name)) != name:
            name = plainer
            yield reading._replace(name=name)
    if reading.owner == "aws" and (unprofiled := re.sub(_REGIONAL_PROFILE, "", name)) != name:
        yield reading._replace(name=unprofiled)
