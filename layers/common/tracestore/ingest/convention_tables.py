"""Tables from the attributes of each convention to fields. Data only, read by `conventions`; a new convention is a row.

A source is written as the name of an attribute; `name>path`: a path in the JSON that the attribute contains (`name>` is
the whole JSON, of which even scalars are quoted); `name.*`: the attributes numbered after that name; `name.{a,b}`: an
object of these members, as far as present. Sources are listed in order of precedence.
*source*: OpenTelemetry GenAI in all generations, OpenInference, OpenLLMetry old and new, Vercel AI SDK, Langfuse,
MLflow, LangSmith, Google ADK, Logfire.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from tracestore.domain.log_messages import Direction
from tracestore.domain.spans import Json

from .field_readers import (
    count,
    identifier,
    label,
    milliseconds,
    nano_usd,
    normalize_provider,
    number,
    seconds,
    seconds_or_milliseconds,
    word_list,
)


class Row(NamedTuple):
    """A field, the function that reads it, and its sources. `operations` limits it to spans with these operations."""

    field: str
    read: Callable[[Json], Json]
    sources: str
    operations: frozenset[str] = frozenset()


TOOL: Final = frozenset({"tool_call"})
MODEL_USERS: Final = frozenset({"completion", "embedding", "rerank", "agent"})

ROWS: Final = (
    # The served model first, then the requested one.
    Row(
        "model_name",
        label,
        """gen_ai.response.model llm.model_name embedding.model_name reranker.model_name ai.response.model
        langfuse.observation.model.name mlflow.llm.model> gcp.vertex.agent.llm_response>model_version
        gen_ai.request.model ai.model.id langsmith.metadata.ls_model_name
        traceloop.association.properties.ls_model_name llm.request.model llm.invocation_parameters>model
        llm.invocation_parameters>model_name embedding.invocation_parameters>model metadata>ls_model_name
        gcp.vertex.agent.llm_request>model""",
    ),
    Row("model_name", label, "model> model_name", MODEL_USERS),
    Row(
        "metadata.request_model",
        label,
        """gen_ai.request.model ai.model.id llm.request.model llm.invocation_parameters>model
        embedding.invocation_parameters>model gcp.vertex.agent.llm_request>model langsmith.metadata.ls_model_name""",
    ),
    Row("metadata.request_model", label, "model>", MODEL_USERS),
    Row(
        "model_provider",
        normalize_provider,
        """gen_ai.provider.name llm.provider gen_ai.system llm.system ai.model.provider
        mlflow.llm.provider> langsmith.metadata.ls_provider traceloop.association.properties.ls_provider
        metadata>ls_provider embedding.provider llm.vendor""",
    ),
    Row(
        "conversation_id",
        identifier,
        """session.id gen_ai.conversation.id langfuse.session.id ai.telemetry.metadata.sessionId
        ai.telemetry.metadata.session_id ai.telemetry.metadata.threadId ai.telemetry.metadata.conversationId
        traceloop.association.properties.session_id traceloop.association.properties.conversation_id
        traceloop.association.properties.thread_id langsmith.metadata.session_id langsmith.metadata.conversation_id
        langsmith.metadata.thread_id mlflow.trace.session> gcp.vertex.agent.session_id metadata>session_id
        metadata>conversation_id metadata>thread_id conversation.id conversation_id session_id""",
    ),
    Row(
        "message_id",
        identifier,
        """message.id message_id ai.telemetry.metadata.messageId traceloop.association.properties.message_id
        langsmith.metadata.message_id langfuse.trace.metadata.message_id metadata>message_id""",
    ),
    Row(
        "end_user_id",
        identifier,
        """user.id enduser.id langfuse.user.id ai.telemetry.metadata.userId ai.telemetry.metadata.user_id
        traceloop.association.properties.user_id langsmith.metadata.user_id mlflow.trace.user>
        gcp.vertex.agent.user_id llm.user gen_ai.user gen_ai.request.user enduser.pseudo.id metadata>user_id user_id""",
    ),
    Row(
        "lesson_id",
        identifier,
        """lesson.id lesson_id ai.telemetry.metadata.lessonId ai.telemetry.metadata.lesson_id
        traceloop.association.properties.lesson_id langsmith.metadata.lesson_id langfuse.trace.metadata.lesson_id
        langfuse.observation.metadata.lesson_id metadata>lesson_id""",
    ),
    Row("environment", label, "langfuse.environment deployment.environment.name deployment.environment"),
    Row("release", label, "langfuse.release"),
    Row(
        "prompt_name",
        label,
        "langfuse.observation.prompt.name gen_ai.prompt.name traceloop.prompt.key llm.prompt_template.name",
    ),
    Row(
        "prompt_version",
        identifier,
        """langfuse.observation.prompt.version gen_ai.prompt.version traceloop.prompt.version
        llm.prompt_template.version""",
    ),
    Row("tool_name", label, "gen_ai.tool.name tool.name ai.toolCall.name tool_call.function.name"),
    Row("tool_name", label, "traceloop.entity.name", TOOL),
    Row(
        "input_tokens",
        count,
        """gen_ai.usage.input_tokens llm.token_count.prompt ai.usage.inputTokens ai.usage.promptTokens ai.usage.tokens
        gen_ai.usage.prompt_tokens llm.usage.prompt_tokens langfuse.observation.usage_details>input_tokens
        langfuse.observation.usage_details>prompt_tokens langfuse.observation.usage_details>input
        mlflow.chat.tokenUsage>input_tokens langsmith.metadata.usage_metadata>input_tokens
        gcp.vertex.agent.llm_response>usage_metadata.prompt_token_count gen_ai.aggregated_usage.input_tokens""",
    ),
    Row(
        "output_tokens",
        count,
        """gen_ai.usage.output_tokens llm.token_count.completion ai.usage.outputTokens ai.usage.completionTokens
        gen_ai.usage.completion_tokens llm.usage.completion_tokens langfuse.observation.usage_details>output_tokens
        langfuse.observation.usage_details>completion_tokens langfuse.observation.usage_details>output
        mlflow.chat.tokenUsage>output_tokens langsmith.metadata.usage_metadata>output_tokens
        gcp.vertex.agent.llm_response>usage_metadata.candidates_token_count gen_ai.aggregated_usage.output_tokens""",
    ),
    Row(
        "total_tokens",
        count,
        """gen_ai.usage.total_tokens llm.token_count.total ai.usage.totalTokens llm.usage.total_tokens
        gen_ai.client.token.usage langfuse.observation.usage_details>total_tokens
        langfuse.observation.usage_details>total mlflow.chat.tokenUsage>total_tokens
        langsmith.metadata.usage_metadata>total_tokens
        gcp.vertex.agent.llm_response>usage_metadata.total_token_count""",
    ),
    Row(
        "cached_input_tokens",
        count,
        """gen_ai.usage.cache_read.input_tokens gen_ai.usage.cache_read_input_tokens
        gen_ai.usage.input_tokens.cached gen_ai.usage.cached_input_tokens gen_ai.usage.cached_tokens
        gen_ai.usage.details.cache_read_input_tokens gen_ai.usage.details.cache_read_tokens
        gen_ai.usage.details.cached_tokens gen_ai.usage.details.cached_content_tokens
        llm.token_count.prompt_details.cache_read llm.token_count.prompt_details.cached
        ai.usage.inputTokenDetails.cacheReadTokens ai.usage.cachedInputTokens
        langfuse.observation.usage_details>prompt_tokens_details.cached_tokens
        langfuse.observation.usage_details>input_tokens_details.cached_tokens
        langfuse.observation.usage_details>input_cached_tokens langfuse.observation.usage_details>input_cache_read
        langfuse.observation.usage_details>cache_read_input_tokens langfuse.observation.usage_details>cached_tokens
        mlflow.chat.tokenUsage>cache_read_input_tokens gen_ai.usage.input_token_details>cache_read
        langsmith.metadata.usage_metadata>input_token_details.cache_read
        mlflow.spanOutputs>usage.prompt_tokens_details.cached_tokens
        mlflow.spanOutputs>usage.input_tokens_details.cached_tokens
        gcp.vertex.agent.llm_response>usage_metadata.cached_content_token_count""",
    ),
    Row(
        "cache_write_tokens",
        count,
        """gen_ai.usage.cache_creation.input_tokens gen_ai.usage.cache_creation_input_tokens
        gen_ai.usage.cache_write.input_tokens gen_ai.usage.cache_write_input_tokens
        gen_ai.usage.details.cache_creation_input_tokens gen_ai.usage.details.cache_write_tokens
        llm.token_count.prompt_details.cache_write ai.usage.inputTokenDetails.cacheWriteTokens
        ai.response.providerMetadata>anthropic.cacheCreationInputTokens
        langfuse.observation.usage_details>cache_creation_input_tokens
        langfuse.observation.usage_details>input_cache_creation langfuse.observation.usage_details>input_cache_write
        mlflow.chat.tokenUsage>cache_creation_input_tokens gen_ai.usage.input_token_details>cache_creation
        langsmith.metadata.usage_metadata>input_token_details.cache_creation""",
    ),
    Row(
        "reasoning_tokens",
        count,
        """gen_ai.usage.reasoning.output_tokens gen_ai.usage.reasoning_tokens gen_ai.usage.output_tokens.reasoning
        gen_ai.usage.completion_details.reasoning gen_ai.usage.details.reasoning_tokens
        gen_ai.usage.details.thoughts_tokens llm.token_count.completion_details.reasoning
        ai.usage.outputTokenDetails.reasoningTokens ai.usage.reasoningTokens
        llm.usage.reasoning_tokens langfuse.observation.usage_details>completion_tokens_details.reasoning_tokens
        langfuse.observation.usage_details>output_tokens_details.reasoning_tokens
        langfuse.observation.usage_details>output_reasoning_tokens
        langfuse.observation.usage_details>output_reasoning langfuse.observation.usage_details>reasoning_tokens
        gen_ai.usage.output_token_details>reasoning langsmith.metadata.usage_metadata>output_token_details.reasoning
        mlflow.chat.tokenUsage>reasoning_tokens mlflow.spanOutputs>usage.completion_tokens_details.reasoning_tokens
        mlflow.spanOutputs>usage.output_tokens_details.reasoning_tokens
        gcp.vertex.agent.llm_response>usage_metadata.thoughts_token_count""",
    ),
    Row(
        "cost_nano_usd",
        nano_usd,
        """gen_ai.usage.cost gen_ai.usage.total_cost operation.cost llm.cost.total
        langfuse.observation.cost_details>total mlflow.llm.cost>total_cost
        langsmith.metadata.usage_metadata>total_cost llm.usage.total_cost""",
    ),
    # Metadata that other parts of the system read by name, or that a person wants to see without searching.
    Row("metadata.time_to_first_token_ms", milliseconds, "ai.response.msToFirstChunk"),
    Row("metadata.time_to_first_token_ms", seconds, "gen_ai.response.time_to_first_chunk llm.latency.first_token"),
    Row(
        "metadata.time_to_first_token_ms",
        seconds_or_milliseconds,
        "gen_ai.server.time_to_first_token gen_ai.server.ttft llm.latency.time_to_first_token",
    ),
    Row(
        "metadata.temperature",
        number,
        """gen_ai.request.temperature ai.settings.temperature llm.request.temperature llm.temperature
        llm.invocation_parameters>temperature langfuse.observation.model.parameters>temperature
        gcp.vertex.agent.llm_request>config.temperature""",
    ),
    Row("metadata.temperature", number, "temperature>", MODEL_USERS),
    Row(
        "metadata.max_tokens",
        number,
        """gen_ai.request.max_tokens ai.settings.maxOutputTokens ai.settings.maxTokens llm.request.max_tokens
        llm.invocation_parameters>max_tokens llm.invocation_parameters>max_output_tokens
        langfuse.observation.model.parameters>max_tokens gcp.vertex.agent.llm_request>config.max_output_tokens""",
    ),
    Row("metadata.max_tokens", number, "max_tokens>", MODEL_USERS),
    Row(
        "metadata.finish_reasons",
        word_list,
        """gen_ai.response.finish_reasons gen_ai.response.finish_reason llm.finish_reason ai.response.finishReason
        llm.response.finish_reason""",
    ),
    Row(
        "metadata.tags",
        word_list,
        "langfuse.trace.tags tag.tags ai.telemetry.metadata.tags langsmith.span.tags gen_ai.tags",
    ),
)

RESOURCE_FIELDS: Final = (
    ("service_name", ("service.name",)),
    ("environment", ("langfuse.environment", "deployment.environment.name", "deployment.environment")),
    ("release", ("langfuse.release", "service.version")),
)
"""Fields that a span takes from its resource if none of its own attributes contains them."""

INPUT: Final = """gen_ai.tool.call.arguments tool_arguments ai.toolCall.args> gcp.vertex.agent.tool_call_args
    gen_ai.input.messages llm.input_messages.* ai.prompt.messages gen_ai.prompt.* llm.prompts.*
    langfuse.observation.input mlflow.spanInputs> gen_ai.prompt gcp.vertex.agent.llm_request gcp.vertex.agent.data
    ai.prompt ai.values
    ai.value request_data gen_ai.task.input traceloop.entity.input> retrieval.query reranker.query input.value
    gen_ai.retrieval.query.text embedding.embeddings.* inputs pydantic_ai.all_messages all_messages_events
    langfuse.trace.input tool.parameters gen_ai.tool.arguments gen_ai.content.prompt llm.prompts"""
"""Sources of a span's input. The input of a tool call is its arguments."""

OUTPUT: Final = """gen_ai.tool.call.result tool_response ai.toolCall.result> gcp.vertex.agent.tool_response
    gen_ai.output.messages llm.output_messages.* ai.response.{reasoning,text,toolCalls,object,files}
    gen_ai.completion.* llm.choices.*
    langfuse.observation.output mlflow.spanOutputs> gen_ai.completion gcp.vertex.agent.llm_response response_data
    gen_ai.task.output traceloop.entity.output> retrieval.documents.* reranker.output_documents.*
    gen_ai.retrieval.documents output.value final_result langfuse.trace.output gen_ai.tool.result
    gen_ai.content.completion ai.embeddings ai.embedding embeddings"""
"""Sources of a span's output. The output of a tool call is its result."""

SYSTEM: Final = ("gen_ai.system_instructions",)
"""Attributes with instructions that are reported separately from the messages after them."""

EVENTS_ATTRIBUTE: Final = "events"
"""The attribute that some clients send instead of span events: a list of events in JSON."""

OPERATION: Final = """gen_ai.operation.name openinference.span.kind langfuse.observation.type ai.operationId
    langsmith.span.kind mlflow.spanType> traceloop.span.kind llm.request.type"""
"""Sources of a span's operation, as a word of `OPERATION_WORDS`."""

OPERATION_ROW: Final = Row("operation_type", label, OPERATION)

OPERATION_WORDS: Final = {
    word: operation
    for operation, text in {
        "completion": """chat text_completion generate_content completion completions llm generation chat_model
            responses message messages ai.generatetext.dogenerate ai.streamtext.dostream ai.generateobject.dogenerate
            ai.streamobject.dostream""",
        "embedding": "embedding embeddings embed ai.embed.doembed ai.embedmany.doembed",
        "rerank": "rerank reranker reranking ai.rerank.dorerank",
        "tool_call": "execute_tool tool tool_call ai.toolcall function",
        "agent": "invoke_agent create_agent agent",
        "workflow": "workflow invoke_workflow",
        "chain": """chain task execute_task prompt parser execute_event_loop_cycle plan ai.generatetext ai.streamtext
            ai.generateobject ai.streamobject ai.embed ai.embedmany ai.rerank""",
        "retrieval": "retriever retrieval retrieve search_memory",
        "guardrail": "guardrail",
        "evaluation": "evaluator evaluation",
        "lesson": "lesson",
        "other": "span event unknown memory",
    }.items()
    for word in text.split()
}

EVIDENCE: Final = (
    ("tool_call", ("gen_ai.tool.name", "gen_ai.tool.call.id", "gcp.vertex.agent.tool_call_args", "tool.name")),
    ("embedding", ("embedding.model_name", "gen_ai.embeddings.dimension.count", "gen_ai.request.encoding_formats")),
    ("agent", ("gen_ai.agent.name", "gen_ai.agent.id")),
    (
        "completion",
        (
            *("gcp.vertex.agent.llm_request", "gen_ai.response.model", "gen_ai.request.model", "llm.model_name"),
            *("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.prompt.0.content"),
        ),
    ),
    ("http", ("http.request.method", "http.method", "http.response.status_code", "http.status_code")),
)
"""The operation of a span that reports none: the first one of whose attributes the span has any."""

RAW_CONTENT_OPERATIONS: Final = frozenset({"tool_call", "retrieval", "embedding", "rerank", "lesson"})
"""Operations whose input and output are not conversations: arguments, documents, vectors, a lesson's request."""

OPERATIONS_BY_NAME_PREFIX: Final = (
    ("call_llm", "completion"),
    ("execute_tool ", "tool_call"),
    ("agent_run ", "agent"),
    ("invoke_agent ", "agent"),
)
"""The operation of a span without such attributes, such as one that failed early, by the start of its name."""

TOOL_NAME: Final = r"(?:execute_tool |running tool:? |tool[.:/])?(?P<name>.+?)(?:\.__call__|\.tool)?"
"""The name of a tool inside the name of its span, for conventions that send it nowhere else."""

ERROR_TYPES: Final = ("error.type", "gen_ai.error.type", "exception.type")
ERROR_MESSAGES: Final = ("error.message", "langfuse.observation.status_message", "exception.message")
LEVELS: Final = ("langfuse.observation.level", "langfuse.level")
ERROR_LEVELS: Final = ("ERROR", "error", "Error")
"""The values of the `LEVELS` attributes that mean the span failed."""

GENERIC_ERRORS: Final = frozenset({"Exception", "Error", "BaseException", "_OTHER", "error", "unknown"})
"""Error types that state only that an error occurred, as bare HTTP status codes do."""

FIRST_TOKEN_EVENTS: Final = frozenset(
    {"First Token Stream Event", "llm.content.completion.chunk", "mlflow.chunk.item.0", "gen_ai.response.first_token"}
)
FIRST_TOKEN_TIMES: Final = ("langfuse.observation.completion_start_time",)
"""Attributes with the time of the first token, as ISO 8601."""

MESSAGE_EVENTS: Final[dict[str, tuple[Direction, str]]] = {
    "gen_ai.system.message": ("input", "system"),
    "gen_ai.developer.message": ("input", "developer"),
    "gen_ai.user.message": ("input", "user"),
    "gen_ai.assistant.message": ("input", "assistant"),
    "gen_ai.tool.message": ("input", "tool"),
    "gen_ai.choice": ("output", "assistant"),
    "gen_ai.assistant.reasoning": ("output", "assistant"),
}
"""Names of events that each contain one message, with its direction and its role."""

CONVERSATION_ATTRIBUTES: Final[dict[str, tuple[Direction, str]]] = {
    "gen_ai.system_instructions": ("input", "system"),
    "gen_ai.input.messages": ("input", "user"),
    "gen_ai.prompt": ("input", "user"),
    "gen_ai.output.messages": ("output", "assistant"),
    "gen_ai.completion": ("output", "assistant"),
}
"""Attributes that contain a whole conversation, whatever the name of their event."""
