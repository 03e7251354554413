"""Tables of token counts: the attributes that contain them, and the kinds that each count includes."""

from typing import Final, NamedTuple

from .operation_tables import MODEL_USERS, SERVED

CACHE, REASONING, DETAILS = "cache", "reasoning", "details"
INSIDE: Final = frozenset({CACHE, REASONING, DETAILS})
"""The kinds that a count may include: input the tokens read from and written to a cache, output those of reasoning, and
both those of other modalities."""

APART: Final[frozenset[str]] = frozenset()
CACHE_APART: Final = frozenset({REASONING, DETAILS})
"""Anthropic and Bedrock count the cache apart from the input."""

THOUGHTS_APART: Final = frozenset({CACHE, DETAILS})
"""Gemini counts thoughts apart from the answer."""


class UsageSource(NamedTuple):
    """Attributes with token counts, and the kinds that their counts of input and output include.

    *shape*: `name` ends in `.` before the name of a count, or in `>` and a path to an object of counts; `*` is a step.
    *absent*: None for a source that states nothing, so that arithmetic decides. A source that `quotes_provider` has the
    counts of the answer as they came: its statement also holds for a count that the client passed on unchanged.
    """

    name: str
    includes: frozenset[str] | None = INSIDE
    operations: frozenset[str] = frozenset()
    quotes_provider: bool = False


def _answer_of(provider: str, includes: frozenset[str] = INSIDE) -> UsageSource:
    """The counts that the AI SDK quotes from the answer of a provider. Its outer spans quote the last step alone."""
    return UsageSource(f"ai.response.providerMetadata>{provider}", includes, SERVED, quotes_provider=True)


USAGE: Final = (
    UsageSource("gen_ai.usage."),
    UsageSource("llm.token_count."),
    UsageSource("ai.usage."),
    UsageSource("llm.usage."),
    UsageSource("langfuse.observation.usage_details>", APART),
    UsageSource("mlflow.chat.tokenUsage>", None),
    UsageSource("langfuse.ingestion.usage_details>", None),
    UsageSource("langfuse.ingestion.usage>", None),
    UsageSource("langsmith.run.outputs>usage_metadata"),
    UsageSource("langsmith.metadata.usage_metadata>"),
    UsageSource("langsmith.run.outputs>generations.0.0.message.kwargs.usage_metadata", INSIDE, MODEL_USERS),
    UsageSource("langsmith.run.outputs>llm_output.token_usage", INSIDE, MODEL_USERS),
    UsageSource("langsmith.run.outputs>llm_output.usage", INSIDE, MODEL_USERS),
    UsageSource("langsmith.run.outputs>usage", INSIDE, MODEL_USERS),
    UsageSource("opik.usage>", None),
    UsageSource("openai_agents.usage>"),
    UsageSource("openai_agents.output>usage", INSIDE, MODEL_USERS),
    UsageSource("gcp.vertex.agent.llm_response>usage_metadata"),
    UsageSource("gcp.vertex.agent.llm_response>usageMetadata", quotes_provider=True),
    UsageSource("metadata.usage_object>"),
    UsageSource("metadata.usage.", INSIDE, SERVED),
    UsageSource("LLMChatEndEvent.response.raw.usage."),
    UsageSource("LLMCompletionEndEvent.response.raw.usage."),
    UsageSource("LLMChatEndEvent.response.additional_kwargs."),
    UsageSource("LLMCompletionEndEvent.response.additional_kwargs."),
    UsageSource("crewai.crew.usage_metrics>"),
    UsageSource("llm.*.usage>"),
    UsageSource("llm.*.usageMetadata>"),
    UsageSource("llm.*.usage_metadata>"),
    UsageSource("mlflow.spanOutputs>usage"),
    _answer_of("anthropic", CACHE_APART),
    _answer_of("bedrock.usage", CACHE_APART),
    _answer_of("google.usageMetadata"),
    _answer_of("vertex.usageMetadata"),
    _answer_of("openai"),
    _answer_of("azure"),
    _answer_of("deepseek"),
    UsageSource("gen_ai.usage.raw>"),
    UsageSource("anthropic.usage.", None),
    UsageSource("output.value>generations.0.0.message.kwargs.usage_metadata", INSIDE, SERVED),
    UsageSource("output.value>usage", None, SERVED),
    UsageSource("output.value>usage_metadata", None, SERVED),
    UsageSource("output.value>meta.billed_units", None, SERVED),
    UsageSource("output.value>meta.usage", None, SERVED),
    UsageSource("gen_ai.usage>"),
    UsageSource("llm.usage>"),
    UsageSource("gen_ai.response.usage>"),
    UsageSource("llm.response.usage>"),
    UsageSource("codex.usage."),
    UsageSource("thoughts_token_count>"),
    UsageSource("gen_ai.aggregated_usage."),
    UsageSource("gen_ai.client.token.usage>"),
    UsageSource("genkit:output>raw.usage", INSIDE, SERVED),
    UsageSource("genkit:output>raw.usageMetadata", INSIDE, SERVED),
    UsageSource("genkit:output>usage", None, SERVED),
    UsageSource("genkit:output>usage.custom", CACHE_APART, SERVED, quotes_provider=True),
    UsageSource("braintrust.metrics>"),
    UsageSource("braintrust.metrics."),
    UsageSource("langwatch.metrics>"),
    UsageSource("langwatch.metrics>value"),
    UsageSource("agentscope.usage."),
    UsageSource("confident.llm.input_token_count>"),
    UsageSource("confident.llm.output_token_count>"),
    UsageSource("agent.usage."),
    UsageSource("agent.usage_apart.", APART),
    UsageSource("usage.", None, MODEL_USERS),
    UsageSource("usage>", None, MODEL_USERS),
    UsageSource("output>usage", None, SERVED),
    UsageSource("token_usage>", None, MODEL_USERS),
    UsageSource("haystack.component.output>replies.0.meta.usage", None, SERVED),
    UsageSource("haystack.component.output>meta.usage", None, SERVED),
    UsageSource("haystack.component.output>meta.0.usage", None, SERVED),
    UsageSource("haystack.agent.step.llm.output>replies.0.meta.usage", None, SERVED),
)
"""Sources of token counts, in order of precedence. The names of counts are read by their words."""

SCOPES: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    (r"opentelemetry\.instrumentation\..*bedrock.*", APART),
    (r"(?:openlit\.instrumentation\.|@openlit/instrumentation-)(?:anthropic|bedrock)", CACHE_APART),
    (r"@traceloop/instrumentation-anthropic", CACHE_APART),
    (r"strands\.telemetry\.tracer", INSIDE),
    (r"openlit\.instrumentation\.(?:google_ai_studio|vertexai)", THOUGHTS_APART),
)
"""Instrumentation scopes that pass on the counts of a provider, and what these include: Bedrock and Anthropic count the
cache apart from the input, Gemini counts thoughts apart from the answer. Strands for Python adds up the input."""

PASSING_SCOPES: Final = (
    r"agent_framework|agentscope|openinference\.instrumentation\.agno|llamaindex\.opentelemetry\.tracer"
)
PASSING_ATTRIBUTES: Final = frozenset(
    {
        *("gen_ai.event.start_time", "tanstack.ai.iteration", "tanstack.ai.iterations"),
        *("haystack.component.output", "haystack.agent.step.llm.output"),
    }
)
"""The scopes of frameworks that pass on the counts of whichever provider they call, and attributes that such a
framework sets on its spans with counts: the scopes of Strands for JavaScript, TanStack AI and Haystack are named by the
application."""

MODELS_WITH_CACHE_APART: Final = r"claude-[\w.@-]+|(?:[a-z-]+\.)?(?:anthropic|amazon)\.[\w.:-]+"
"""Models by their ids at Anthropic and Bedrock. A gateway, whose names have a prefix, counts as OpenAI does."""

MODELS_WITH_THOUGHTS_APART: Final = r"(?:.*[/.])?gemini-[\w.@-]+"
"""Models whose total has thoughts that the count of the answer lacks. *source*: Gemini API, `UsageMetadata`, and its
API in the form of OpenAI's, which has no count of thoughts."""

LONE_COUNTS: Final = {
    "confident.llm.input_token_count": "input",
    "confident.llm.output_token_count": "output",
    "gen_ai.client.token.usage": "total_tokens",
    "thoughts_token_count": "thoughts",
    "ai.usage.tokens": "input",
}
"""The names of counts by the attributes whose name alone does not say what they count."""
