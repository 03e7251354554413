"""The wrapper around every handler: finds the route, identifies the caller, and turns errors into responses.

Deny by default: a route names the scope that it needs, or it is in the only list of public routes.
"""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, Literal, TypeAlias

from aws_lambda_powertools import Logger

from tracestore.domain.errors import Forbidden, NotFound, TracestoreError
from tracestore.storage.model import NO_LIMITS, Share

from . import telemetry
from .errors import error_response, internal_error, not_shared
from .identity import OWNER_HEADER, SCOPES, Identity, acting_for, presents_share
from .rate_limits import RateLimiter
from .request import Request, headers_of, request_id_of, request_of
from .response import Response, gateway_response

PUBLIC_ROUTES: Final = (
    *("GET /healthz", "GET /openapi.json", "GET /docs", "GET /docs/{file}", "$default"),
    *("GET /", "GET /traces", "GET /traces/{path+}", "GET /traces/config.json"),
)
"""The only routes that need no credential."""

ANY: Final = "any"
"""In place of a scope: every identified caller except shares is admitted."""

NOTHING_SHARED: Final[Mapping[str, bool]] = {}

SHARED_TRACE: Final = "-"
"""In the path, the trace of the share: the link contains only the secret. No trace has such an id."""

SHARE_HEADERS: Final = {"referrer-policy": "no-referrer", "x-robots-tag": "noindex"}
"""Headers of each response to the credential of a share: the link alone is enough to read the trace."""

Handler: TypeAlias = Callable[[Request, Identity], Response]
PublicHandler: TypeAlias = Callable[[Request], Response]

ErrorResponse: TypeAlias = Callable[[TracestoreError, Mapping[str, str]], Response]
"""A function that turns an error into a route's response, given the headers of the request. OTLP has its own format."""


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A handler, and the scope and credential that its callers need."""

    handler: Handler
    scope: str
    credential: Literal["any", "jwt"]
    errors: ErrorResponse
    is_shared: bool
    needs_payloads: bool

    def admit(self, caller: Identity) -> None:
        """Check that `caller` may use the route. *raises*: Forbidden that names the missing scope or credential."""
        if caller.share is not None:
            if not self.is_shared or (self.needs_payloads and not caller.share.payloads):
                raise not_shared()
            return
        if self.credential == "jwt" and caller.credential != "jwt":
            raise Forbidden(
                "This route needs a signed-in user. Sign in, and send a JWT instead of an API key.", code="jwt_required"
            )
        if self.scope != ANY and self.scope not in caller.scopes:
            raise Forbidden(f"This API key lacks the scope {self.scope}. Use a key that has it.")


@dataclass(frozen=True, slots=True)
class Registration:
    """The declaration of a route. *absent*: a public route needs no scope and no credential."""

    summary: str
    scope: str | None = None
    credential: Literal["any", "jwt"] | None = None
    errors: ErrorResponse = error_response


class App:
    """The routes of one function; `handle` is its Lambda handler.

    `identify` returns the caller that sent the headers, by default from the deployment's keys. `clock` returns seconds.
    `shared_routes` are the only routes that a share opens, each with whether it has to include payloads for that. Their
    handlers read through `trace_reader`, which leaves out what shares hide; `reader` and `writer` refuse shares.
    """

    def __init__(
        self,
        identify: Callable[[Mapping[str, str]], Identity] | None = None,
        *,
        shared_routes: Mapping[str, bool] = NOTHING_SHARED,
        logger: Logger = telemetry.logger,
        clock: Callable[[], float] = time.time,
        limiter: RateLimiter | None = None,
    ) -> None:
        self._identify = identify or _identify
        self._shared_routes = shared_routes
        self._logger = logger
        self._clock = clock
        self._limiter = limiter or RateLimiter()
        self._guarded: dict[str, _Guarded] = {}
        self._public: dict[str, PublicHandler] = {}

    def route(
        self,
        route: str,
        *,
        scope: str,
        credential: Literal["any", "jwt"] = "any",
        errors: ErrorResponse = error_response,
    ) -> Callable[[Handler], Handler]:
        """Register the handler of `route` ("GET /path/{name}", as in the template) for callers that have `scope`."""
        self._claim(route)
        if scope not in (*SCOPES, ANY):
            raise ValueError(f"{route} must name one of the scopes {SCOPES}, or ANY.")
        if route in PUBLIC_ROUTES:
            raise ValueError(f"{route} is in PUBLIC_ROUTES. Register it with public().")

        def register(handler: Handler) -> Handler:
            is_shared, needs_payloads = route in self._shared_routes, self._shared_routes.get(route, False)
            self._guarded[route] = _Guarded(handler, scope, credential, errors, is_shared, needs_payloads)
            return handler

        return register

    def public(self, route: str) -> Callable[[PublicHandler], PublicHandler]:
        """Register the handler of a route that needs no credential."""
        self._claim(route)
        if route not in PUBLIC_ROUTES:
            raise ValueError(f"{route} is not in PUBLIC_ROUTES.")

        def register(handler: PublicHandler) -> PublicHandler:
            self._public[route] = handler
            return handler

        return register

    @property
    def routes(self) -> frozenset[str]:
        """The route keys of all registered handlers."""
        return frozenset(self._guarded) | frozenset(self._public)

    def registration(self, route: str) -> Registration:
        """The declaration of a route, for the API document. *raises*: KeyError for a route without a handler."""
        if guarded := self._guarded.get(route):
            return Registration(_summary_of(guarded.handler), guarded.scope, guarded.credential, guarded.errors)
        return Registration(_summary_of(self._public[route]))

    def handle(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Serve one API Gateway event and write one log line. Every failure becomes a response.

        `request_id` in the line is API Gateway's id, which the access log contains as `requestId`. `lambda_request_id`
        is the id in Lambda's own log lines.
        """
        started = time.perf_counter()
        headers = headers_of(event)
        route = str(event.get("routeKey"))
        line: dict[str, Any] = {
            "route": route,
            "request_id": request_id_of(event),
            "lambda_request_id": context.aws_request_id,
        }
        errors = self._guarded[route].errors if route in self._guarded else error_response
        try:
            response = self._respond(route, event, headers, context, line)
        except TracestoreError as error:
            line["code"] = error.code
            response = errors(error, headers)
        except Exception:
            self._logger.exception("unexpected failure", extra=line)
            response = errors(internal_error(), headers)
        line |= {"status": response.status, "duration_ms": round((time.perf_counter() - started) * 1000, 1)}
        if response.span_count is not None:
            line["span_count"] = response.span_count
        if response.rejected_count:
            line["rejected_count"] = response.rejected_count
        if presents_share(headers):
            response = replace(response, headers={**response.headers, **SHARE_HEADERS})
        self._logger.info("request", extra=line)
        _keep_loaded_objects()
        return gateway_response(response, headers)

    def _respond(
        self, route: str, event: Mapping[str, Any], headers: Mapping[str, str], context: Any, line: dict[str, Any]
    ) -> Response:
        """The response of the route's handler. Only headers are read before the caller is admitted."""

        def request() -> Request:
            remaining_ms = context.get_remaining_time_in_millis
            return request_of(event, headers, now_ms=int(self._clock() * 1000), remaining_ms=remaining_ms)

        if public := self._public.get(route):
            return public(request())
        guarded = self._guarded.get(route)
        if guarded is None:
            raise NotFound("There is no such route. See docs/api.md for the routes.", code="route_not_found")
        caller = self._identify(headers)
        line["user"] = caller.user_id
        if caller.key_id is not None:
            line["key_id"] = caller.key_id
        caller = acting_for(caller, headers.get(OWNER_HEADER))
        line["owner"] = caller.owner_id
        guarded.admit(caller)
        sends_spans, limited_key = guarded.scope == "ingest", caller.key_id if caller.limits != NO_LIMITS else None
        if limited_key is not None:
            self._limiter.admit(limited_key, caller.limits, sends_spans=sends_spans)
        response = guarded.handler(request() if caller.share is None else _of_share(request(), caller.share), caller)
        if limited_key is not None and sends_spans and response.span_count:
            self._limiter.add_spans(limited_key, caller.limits, response.span_count)
        return response

    def _claim(self, route: str) -> None:
        if route in self._guarded or route in self._public:
            raise ValueError(f"{route} already has a handler.")


def _identify(headers: Mapping[str, str]) -> Identity:
    """The caller that sent these headers.

    The store is imported here, where a route needs a credential: a function whose routes are all public starts without
    it, in a third of the time. The other functions import the store for their handlers.
    """
    from . import wiring

    return wiring.identify(headers)


@cache
def _keep_loaded_objects() -> None:
    """Exempt from garbage collection what the first request has loaded: modules, tables, patterns.

    It stays as long as the process. Without this, a full collection visits 100,000 such objects, which takes 50 ms and
    came once in some 2,000 spans.
    """
    gc.freeze()


def _summary_of(handler: Callable[..., Response]) -> str:
    """The first line of a handler's docstring."""
    return (handler.__doc__ or "").partition("\n")[0]


def _of_share(request: Request, share: Share) -> Request:
    """The request of a share, with the id of its trace in the path.

    *raises*: NotFound for another trace; Forbidden for a search in payloads that the share does not include.
    """
    if request.path["trace_id"] not in (share.trace_id, SHARED_TRACE):
        raise NotFound("There is no such trace.")
    if "search" in request.query and not share.payloads:
        raise not_shared()
    return replace(request, path={**request.path, "trace_id": share.trace_id})
