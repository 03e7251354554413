"""The long-lived objects of a process, created from the settings on first use: clients, stores, the verifier."""

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracestore.domain.costs import Price, UnknownCost
from tracestore.domain.errors import Invalid
from tracestore.domain.spans import SpanFields
from tracestore.storage import dynamo
from tracestore.storage.api_keys import find_api_key
from tracestore.storage.deadline import Deadline
from tracestore.storage.model import Actor, ApiKey, Share
from tracestore.storage.shared_reader import SharedReader
from tracestore.storage.shares import find_share
from tracestore.storage.store import Store
from tracestore.storage.table import Table
from tracestore.storage.user_store import TraceReader, UserReader, UserWriter

from . import identity, telemetry
from .errors import not_shared
from .jwt_verifier import JwtVerifier
from .request import Request
from .settings import environment, settings

if TYPE_CHECKING:
    from tracestore.ingest.price_overlay import Overlay
    from tracestore.ingest.redaction import Redactor
    from tracestore.storage.user_sessions import UserSessions

SECONDS_PER_DAY: Final = 86_400

INGEST_WAITS_S: Final = 5.0
"""How long a request that stores spans waits for a busy table. Clients send again after a 503, and each instance that
waits bills and is missing to others."""


@cache
def dynamodb() -> dynamo.Client:
    """The DynamoDB client."""
    return dynamo.client(settings().dynamodb_endpoint, environment())


@cache
def table() -> Table:
    """The deployment's table."""
    return Table(dynamodb(), settings().table_name)


@cache
def store() -> Store:
    """The deployment's store of traces."""
    configured = settings()
    retention_s = configured.retention_days * SECONDS_PER_DAY
    return Store(
        table(),
        retention_s,
        configured.time_shards,
        price_of=price_of,
        derivation=derivation,
        trace_spans_most=configured.max_trace_spans,
        table_of=_table_of if configured.user_role_arn else None,
        counters_s=configured.counters_days * SECONDS_PER_DAY,
    )


def _table_of(user_id: str) -> Table:
    """The deployment's table, as a session for this user reaches it."""
    return Table(dynamodb().with_credentials(_sessions().credentials_of(user_id)), settings().table_name)


@cache
def _sessions() -> "UserSessions":
    from tracestore.storage.user_sessions import user_sessions  # seldom needed: strict isolation is an option

    return user_sessions(settings().user_role_arn or "", environment())


@cache
def derivation() -> str:
    """A digest of the code and the prices that answers are derived with.

    It is computed from the files themselves, in some milliseconds: a release number would not change with every
    deployment, and an answer of older code must not count as current.
    """
    package = Path(__file__).parents[1]
    digest = hashlib.blake2b(settings().prices.encode(), digest_size=8)
    for file in sorted((*package.rglob("*.py"), *package.rglob("*.jsonl"))):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def price_of(fields: SpanFields) -> Price | UnknownCost:
    """The cost of the model call with these fields, by the price list and the deployer's own prices.

    *absent*: the reason.
    """
    from tracestore.ingest.pricing import cost_nano_usd  # loads the price list, so only when there is a call to price

    priced = cost_nano_usd(
        model=fields.get("model_name"),
        provider=fields.get("model_provider"),
        usage=fields,
        at_ns=fields.get("start_ns", 0),
        requested_model=fields.get("request_model"),
        tier=fields.get("service_tier"),
        overlay=_overlay(),
    )
    return priced if isinstance(priced, str) else (priced.cost_nano_usd, priced.price)


@cache
def _overlay() -> "Overlay":
    from tracestore.ingest.price_overlay import NO_OVERLAY, parse_overlay

    try:
        return parse_overlay(settings().prices)
    except Invalid as error:  # spans must not be lost because of it
        telemetry.logger.error("PRICES is invalid and is ignored: %s", error.message)
        return NO_OVERLAY


def cursor_secret() -> bytes:
    """The secret that signs cursors."""
    return store().cursor_secret()


def redactor() -> "Redactor":
    """A redactor for one request, which masks secrets before anything is stored."""
    return _redactor().for_request()


@cache
def _redactor() -> "Redactor":
    from tracestore.ingest.redaction import Redactor  # compiles its patterns, and most functions store no text

    return Redactor(settings().redaction_patterns)


def deadline_for(remaining_ms: Callable[[], int], waits_s: float = math.inf) -> Deadline:
    """The deadline for the retries of a request, given the remaining time of its function.

    They end after `waits_s`, even where the function has more time.
    """
    ends_s = time.monotonic() + waits_s
    deadline = Deadline(lambda: min(remaining_ms() / 1000, ends_s + deadline.reserve_s - time.monotonic()))
    return deadline


def trace_reader(request: Request, caller: identity.Identity) -> TraceReader:
    """A reader of single traces of the caller's owner, or of the one trace of a share without what shares hide."""
    if caller.share is None:
        return reader(request, caller, repairs=True)
    owners = UserReader(store(), caller.share.user_id, deadline_for(request.remaining_ms))
    return SharedReader(owners, caller.share, cursor_secret)


def reader(request: Request, caller: identity.Identity, *, repairs: bool = False) -> UserReader:
    """A reader of the data of the caller's owner, for as long as the request may take.

    Only a function that may write lets its readers repair. *raises*: Forbidden for a share.
    """
    if caller.credential == "share":  # a second barrier behind the table of shared routes
        raise not_shared()
    return UserReader(store(), caller.owner_id, deadline_for(request.remaining_ms), repairs=repairs)


def writer(request: Request, caller: identity.Identity, waits_s: float = math.inf) -> UserWriter:
    """A writer of the data of the caller's owner, for as long as the request may take, with retries for `waits_s`.

    *raises*: Forbidden for a share.
    """
    if caller.credential == "share":
        raise not_shared()
    actor = Actor(caller.credential, caller.key_id, caller.user_id)
    return UserWriter(store(), caller.owner_id, deadline_for(request.remaining_ms, waits_s), actor)


def ingest_writer(request: Request, caller: identity.Identity) -> UserWriter:
    """A writer for a request that stores spans, which waits for a busy table only for `INGEST_WAITS_S`.

    *raises*: as `writer`.
    """
    return writer(request, caller, INGEST_WAITS_S)


@cache
def key_cache() -> identity.KeyCache[ApiKey]:
    """The cache of recently used API keys."""
    return identity.KeyCache(partial(find_api_key, table()))


@cache
def share_cache() -> identity.KeyCache[Share]:
    """The cache of recently used shares."""
    return identity.KeyCache(partial(find_share, table()))


@cache
def jwt_verifier() -> JwtVerifier:
    """The verifier of the deployment's JWTs."""
    configured = settings()
    has_secret = configured.jwt_secret or configured.jwt_secret_parameter
    return JwtVerifier(configured, read_secret=_jwt_secret if has_secret else None)


def identify(headers: Mapping[str, str]) -> identity.Identity:
    """The caller that sent these headers. *raises*: Unauthenticated, Unavailable."""
    return identity.identify(
        headers,
        verify_jwt=lambda token: jwt_verifier().verify(token),
        find_key=lambda secret: key_cache().find(secret),
        find_share=lambda secret: share_cache().find(secret),
    )


def reset() -> None:
    """Discard all objects, so that the next use reads the environment again."""
    for cached in (
        settings,
        dynamodb,
        table,
        store,
        derivation,
        _overlay,
        _sessions,
        _redactor,
        key_cache,
        share_cache,
        jwt_verifier,
    ):
        cached.cache_clear()


def _jwt_secret() -> str:
    configured = settings()
    if configured.jwt_secret:
        return configured.jwt_secret
    from tracestore.storage.parameters import secret_parameter

    return secret_parameter(configured.jwt_secret_parameter or "")
