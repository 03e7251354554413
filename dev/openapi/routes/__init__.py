"""All routes of the HTTP API, by group. The template and the handlers declare what these modules do not."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.operations import Operation
from dev.openapi.routes import (
    account,
    agent_tools,
    analytics,
    annotations,
    deletions,
    langfuse,
    langsmith,
    lessons,
    openai_agents,
    opik,
    otlp,
    phoenix,
    service,
    shares,
    traces,
)

GROUPS: Final[tuple[Mapping[str, Operation], ...]] = (
    traces.ROUTES,
    annotations.ROUTES,
    deletions.ROUTES,
    shares.ROUTES,
    otlp.ROUTES,
    langsmith.ROUTES,
    langfuse.ROUTES,
    openai_agents.ROUTES,
    opik.ROUTES,
    phoenix.ROUTES,
    lessons.ROUTES,
    analytics.ROUTES,
    account.ROUTES,
    agent_tools.ROUTES,
    service.ROUTES,
)
OPERATIONS: Final[Mapping[str, Operation]] = {route: group[route] for group in GROUPS for route in group}
"""Every route of the template except `$default` and those that stand for paths of any length."""
