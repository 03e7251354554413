"""Tables from the attributes of each convention to fields. Data only; a new convention is a word in each row.

The tables of operations, token counts, content and outcomes are modules of their own: `operation_tables`,
`usage_tables`, `content_tables` and `outcome_tables`.

A source is written as the name of an attribute; `name>path`: a path in the JSON that the attribute contains (`name>` is
the whole JSON, of which even scalars are quoted); `name.*`: the attributes numbered after that name; `name.{a,b}`: an
object of these members, as far as present; `*` between dots is any one step. Sources are listed in order of precedence.
*source*: OpenTelemetry GenAI in all generations, OpenInference, OpenLLMetry old and new, Vercel AI SDK, Langfuse,
MLflow, LangSmith, Google ADK, Logfire, LiteLLM, Genkit, Mastra, Laminar, LangWatch, Braintrust, AG2, LiveKit Agents,
Pipecat, PromptFlow, LlamaIndex, PostHog, VoltAgent, TanStack AI, Effect AI, Haystack, Sentry, AgentOps, Spring AI,
traceAI, DeepEval. The decoders of the protocols of SDKs (`sdk_langsmith` and the others) name what they find like the
convention of the same SDK, else `langsmith.run.*`, `langfuse.ingestion.*`, `openai_agents.*` and `opik.*`.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from tracestore.domain.spans import Json

from .field_readers import (
    comma_separated,
    content,
    finish_words,
    flag,
    identifier,
    known_provider,
    known_provider_before_slash,
    label,
    media_list,
    milliseconds,
    nano_usd,
    nano_usd_above_zero,
    nano_usd_of_parts,
    normalize_provider,
    number,
    provider_before_slash,
    seconds,
    seconds_or_milliseconds,
    thread_identifier,
    uncommon_label,
    word_list,
)
from .operation_tables import MODEL_USERS, OPERATION, SERVED, TOOL


class Row(NamedTuple):
    """A field, the function that reads it, and its sources. `operations` limits it to spans with these operations."""

    field: str
    read: Callable[[Json], Json]
    sources: str
    operations: frozenset[str] = frozenset()


_TRACE_PREFIXES: Final = (
    *("langfuse.trace.", "langfuse.trace.metadata.", "langsmith.trace.", "langsmith.metadata."),
    *("ai.telemetry.metadata.", "traceloop.association.properties.", "opik.metadata.", "mlflow.traceTag."),
)
"""The beginnings of attributes about the whole trace, which clients set on any of its spans."""


def _of_trace(words: str) -> str:
    """The attributes that report something about the whole trace under one of these words."""
    return " ".join(prefix + word for word in words.split() for prefix in _TRACE_PREFIXES)


METADATA_PREFIXES: Final = (
    *("langfuse.trace.metadata.", "langfuse.observation.metadata.", "langsmith.metadata.", "ai.telemetry.metadata."),
    *("traceloop.association.properties.", "lmnr.association.properties.metadata.", "mastra.metadata."),
    *("ai.settings.context.", "braintrust.metadata.", "opik.metadata.", "mlflow.traceTag."),
)
"""The beginnings of attributes whose names end in a key of metadata that the application chose."""

COSTS: Final = """gen_ai.usage.raw>cost gen_ai.usage.cost gen_ai.usage.total_cost operation.cost llm.cost.total
    langfuse.observation.cost_details>total mlflow.llm.cost>total_cost
    langsmith.run.outputs>usage_metadata.total_cost langsmith.metadata.usage_metadata>total_cost
    langfuse.ingestion.usage>totalCost opik.total_estimated_cost llm.usage.total_cost gen_ai.cost.total_cost
    litellm.cost.total litellm.response.cost hidden_params>response_cost vercel.ai_gateway.cost.total
    vercel.ai_gateway.cost.market ai.response.providerMetadata>gateway.cost
    ai.response.providerMetadata>gateway.marketCost ai.response.providerMetadata>openrouter.usage.cost
    trace.metadata.openrouter_generation.usage
    langfuse.observation.cost_details>total_cost langfuse.observation.total_cost gen_ai.usage.cost_usd
    gen_ai.usage.total_cost_usd gen_ai.cost.total gen_ai.cost.usd gen_ai.cost.total_usd llm.usage.cost
    llm.usage.cost_usd ai.usage.cost usage.cost llm.*.usage>cost gen_ai.usage>cost gen_ai.response.usage>cost
    langwatch.metrics>cost langwatch.metrics>value.cost braintrust.metrics>estimated_cost gen_ai.cost gen_ai.cost_usd
    gen_ai.response.cost gen_ai.usage.estimated_cost gen_ai.usage.cost.total gen_ai.usage.details.cost llm.cost
    llm.response.cost litellm.response_cost openrouter.usage.cost"""
"""Attributes with the whole cost of a call, in dollars."""

PLAIN_COSTS: Final = "response_cost total_cost total_cost_usd cost_usd cost"
"""Attributes that contain the cost of a call under a name that may mean anything in another span."""

ROWS: Final = (
    # The served model first, then the requested one.
    Row(
        "model_name",
        label,
        """langsmith.run.outputs>model langsmith.run.outputs>llm_output.model_name
        langsmith.run.outputs>generations.0.0.message.kwargs.response_metadata.model_name
        langsmith.run.outputs>generations.0.0.message.response_metadata.model_name openai_agents.output>model""",
        MODEL_USERS,
    ),
    # The answer of LangChain, whose instrumentation for JavaScript reports the requested model as its name.
    Row("model_name", label, "output.value>generations.0.0.message.kwargs.response_metadata.model_name", SERVED),
    Row(
        "model_name",
        label,
        """gen_ai.response.model llm.model_name embedding.model_name reranker.model_name ai.response.model
        langfuse.observation.model.name mlflow.llm.model> gcp.vertex.agent.llm_response>model_version
        gcp.vertex.agent.llm_response>modelVersion
        gen_ai.request.model gen_ai.request.parameters>model ai.model.id langsmith.metadata.ls_model_name
        traceloop.association.properties.ls_model_name llm.request.model llm.invocation_parameters>model
        llm.invocation_parameters>model_name embedding.invocation_parameters>model metadata>ls_model_name
        gcp.vertex.agent.llm_request>model openai_agents.model opik.model confident.llm.model llm.model ai.model.name
        llm.*.model LLMChatEndEvent.response.raw.model
        LLMCompletionEndEvent.response.raw.model LLMChatStartEvent.model_dict.model_name
        LLMChatStartEvent.model_dict.model LLMCompletionStartEvent.model_dict.model_name
        LLMCompletionStartEvent.model_dict.model EmbeddingStartEvent.model_dict.model_name
        ReRankStartEvent.model_name""",
    ),
    Row("model_name", label, "braintrust.metadata>model braintrust.metadata.model"),
    Row(
        "model_name",
        label,
        """haystack.component.output>replies.0.meta.model haystack.component.output>meta.model
        haystack.component.output>meta.0.model haystack.agent.step.llm.output>replies.0.meta.model""",
        SERVED,
    ),
    Row("model_name", label, "genkit:output>raw.model genkit:output>raw.modelVersion genkit:name", SERVED),
    Row("model_name", label, "model> model_name", MODEL_USERS),
    Row(
        "metadata.request_model",
        label,
        """gen_ai.request.model gen_ai.request.parameters>model ai.model.id llm.request.model
        llm.invocation_parameters>model
        embedding.invocation_parameters>model gcp.vertex.agent.llm_request>model langsmith.metadata.ls_model_name
        openai_agents.model llm.model LLMChatStartEvent.model_dict.model_name LLMChatStartEvent.model_dict.model
        LLMCompletionStartEvent.model_dict.model_name LLMCompletionStartEvent.model_dict.model""",
    ),
    Row("metadata.request_model", label, "model>", MODEL_USERS),
    Row("metadata.request_model", label, "genkit:name", SERVED),
    Row(
        "model_provider",
        normalize_provider,
        """langsmith.metadata.ls_provider gen_ai.provider.name llm.provider gen_ai.system llm.system ai.model.provider
        mlflow.llm.provider> traceloop.association.properties.ls_provider
        langfuse.observation.metadata.ls_provider> metadata>ls_provider embedding.provider llm.vendor
        braintrust.metadata>provider braintrust.metadata.provider opik.provider confident.span.provider""",
    ),
    Row("model_provider", provider_before_slash, "genkit:name", SERVED),
    Row(
        "model_provider",
        known_provider,
        """LLMChatStartEvent.model_dict.class_name LLMCompletionStartEvent.model_dict.class_name
        EmbeddingStartEvent.model_dict.class_name""",
    ),
    Row("model_provider", known_provider, "haystack.component.type", SERVED),
    # A gateway that reports only itself as the provider: its names of models begin with the provider.
    Row("model_provider", known_provider_before_slash, "gen_ai.request.model llm.model_name", SERVED),
    Row(
        "conversation_id",
        thread_identifier,
        """session.id gen_ai.conversation.id gen_ai.session.id langfuse.session.id ai.telemetry.metadata.sessionId
        ai.telemetry.metadata.session_id ai.telemetry.metadata.threadId ai.telemetry.metadata.conversationId
        traceloop.association.properties.session_id traceloop.association.properties.conversation_id
        traceloop.association.properties.thread_id langsmith.metadata.session_id langsmith.metadata.conversation_id
        langsmith.metadata.thread_id mlflow.trace.session> gcp.vertex.agent.session_id metadata>session_id
        metadata>conversation_id metadata>thread_id langwatch.thread.id langwatch.thread_id
        ai.settings.context.sessionId ai.settings.context.threadId ai.settings.context.conversationId
        lmnr.association.properties.session_id mastra.metadata.threadId mastra.metadata.sessionId
        mastra.metadata.conversationId braintrust.metadata>session_id braintrust.metadata>thread_id
        braintrust.metadata.session_id opik.thread_id confident.trace.thread_id
        spring.ai.chat.client.conversation.id $session_id
        conversation.id conversation_id session_id""",
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
        """user.id enduser.id gen_ai.user.id langfuse.user.id ai.telemetry.metadata.userId ai.telemetry.metadata.user_id
        traceloop.association.properties.user_id langsmith.metadata.user_id mlflow.trace.user>
        gcp.vertex.agent.user_id llm.user gen_ai.user gen_ai.request.user enduser.pseudo.id metadata>user_id
        langwatch.user.id langwatch.user_id ai.settings.context.userId lmnr.association.properties.user_id
        mastra.metadata.userId mastra.metadata.resourceId braintrust.metadata>user_id braintrust.metadata.user_id
        litellm.metadata.user_api_key_end_user_id posthog.distinct_id confident.trace.user_id user_id""",
    ),
    Row(
        "lesson_id",
        identifier,
        """lesson.id lesson_id ai.telemetry.metadata.lessonId ai.telemetry.metadata.lesson_id
        traceloop.association.properties.lesson_id langsmith.metadata.lesson_id langfuse.trace.metadata.lesson_id
        langfuse.observation.metadata.lesson_id metadata>lesson_id""",
    ),
    Row(
        "environment", label, "langfuse.environment opik.environment deployment.environment.name deployment.environment"
    ),
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
    # The name by which the model called the tool: in the other attributes, Claude Code leaves out the server of MCP.
    Row("tool_name", label, "tool_name tool", TOOL),
    Row(
        "tool_name", label, "gen_ai.tool.name tool.name ai.toolCall.name tool_call.function.name lk.function_tool.name"
    ),
    Row(
        "tool_name",
        label,
        "traceloop.entity.name genkit:name haystack.tool.name spring.ai.tool.definition.name confident.tool.name",
        TOOL,
    ),
    Row(
        "interrupted",
        flag,
        """lk.interrupted turn.was_interrupted tts.interrupted gen_ai.response.interrupted gen_ai.response.cancelled
        was_interrupted interrupted""",
    ),
    # What the provider billed, as a response quotes it, goes before what a client computed.
    Row("cost_nano_usd", nano_usd_above_zero, "output.value>usage.cost", SERVED),
    # A cost of zero may be a client without a price list, or the share of one of two parties: it counts last.
    Row("cost_nano_usd", nano_usd_above_zero, COSTS),
    Row("cost_nano_usd", nano_usd_above_zero, PLAIN_COSTS, MODEL_USERS),
    Row(
        "cost_nano_usd",
        nano_usd_of_parts,
        """langfuse.observation.cost_details> mlflow.llm.cost> llm.cost.{prompt,completion}
        gen_ai.cost.{input_cost,output_cost,tool_usage_cost} gen_ai.usage.{input_cost,output_cost}
        litellm.cost.{input,output,tool_usage} gen_ai.cost.{input,output} gen_ai.cost.{input_usd,output_usd}
        gen_ai.usage.{input_cost_usd,output_cost_usd} gen_ai.usage.{prompt_cost,completion_cost}
        llm.usage.{prompt_cost,completion_cost} llm.cost.{prompt_details.input,prompt_details.cache_read,\
prompt_details.cache_write,prompt_details.audio,completion_details.output,completion_details.reasoning,\
completion_details.audio}""",
    ),
    Row("cost_nano_usd", nano_usd, COSTS),
    Row("cost_nano_usd", nano_usd, PLAIN_COSTS, MODEL_USERS),
    # A mode that costs more is reported in addition to the tier.
    Row(
        "service_tier",
        uncommon_label,
        """gen_ai.response.speed gen_ai.usage.speed anthropic.response.speed gen_ai.anthropic.speed
        ai.response.providerMetadata>anthropic.usage.speed llm.*.usage>speed gen_ai.usage>speed
        langsmith.metadata.usage_metadata>speed anthropic.request.speed gen_ai.anthropic.request.speed
        gen_ai.request.speed llm.request.speed llm.invocation_parameters>speed
        langfuse.observation.model.parameters>speed llm.*.speed""",
    ),
    # The tier that served the call first, then the requested one.
    Row("service_tier", label, "langsmith.run.outputs>service_tier openai_agents.output>service_tier", MODEL_USERS),
    Row(
        "service_tier",
        label,
        """gen_ai.openai.response.service_tier openai.response.service_tier anthropic.response.service_tier
        gen_ai.response.service_tier gen_ai.anthropic.service_tier gen_ai.usage.service_tier
        gen_ai.aws.bedrock.service_tier ai.response.providerMetadata>openai.serviceTier
        ai.response.providerMetadata>anthropic.usage.service_tier
        gcp.vertex.agent.llm_response>usage_metadata.traffic_type gen_ai.openai.request.service_tier
        openai.request.service_tier anthropic.request.service_tier gen_ai.request.service_tier
        llm.request.service_tier llm.invocation_parameters>service_tier
        langfuse.observation.model.parameters>service_tier gcp.vertex.agent.llm_request>config.service_tier
        llm.*.usage>service_tier gen_ai.usage>service_tier llm.*.service_tier""",
    ),
    # About the whole trace, whichever span reports it.
    Row(
        "conversation_id",
        thread_identifier,
        _of_trace("session_id sessionId session.id conversation_id conversationId thread_id threadId"),
    ),
    Row("message_id", identifier, _of_trace("message_id messageId")),
    Row("end_user_id", identifier, _of_trace("user_id userId user.id")),
    Row("environment", label, _of_trace("environment")),
    Row("release", label, _of_trace("release")),
    Row("metadata.trace_name", label, f"langfuse.trace.name langsmith.trace.name {_of_trace('trace_name traceName')}"),
    Row("metadata.trace_input", content, "langfuse.trace.input>"),
    Row("metadata.trace_output", content, "langfuse.trace.output>"),
    # Metadata that other parts of the system read by name, or that a person wants to see without searching.
    Row(
        "metadata.time_to_first_token_ms", milliseconds, "ai.response.msToFirstChunk ai.stream.msToFirstChunk opik.ttft"
    ),
    Row("metadata.time_to_first_token_ms", milliseconds, "ttft_ms", SERVED),
    Row(
        "metadata.time_to_first_token_ms",
        seconds,
        """gen_ai.response.time_to_first_chunk llm.latency.first_token gen_ai.client.operation.time_to_first_chunk
        lk.response.ttft lk.response.ttfb metrics.ttfb braintrust.metrics>time_to_first_token
        braintrust.metrics.time_to_first_token gen_ai.streaming.time_to_first_token""",
    ),
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
        gcp.vertex.agent.llm_request>config.temperature langsmith.metadata.ls_temperature
        openai_agents.model_config>temperature llm.*.temperature""",
    ),
    Row("metadata.temperature", number, "temperature> langsmith.run.inputs>temperature", MODEL_USERS),
    Row(
        "metadata.max_tokens",
        number,
        """gen_ai.request.max_tokens ai.settings.maxOutputTokens ai.settings.maxTokens llm.request.max_tokens
        llm.invocation_parameters>max_tokens llm.invocation_parameters>max_output_tokens
        langfuse.observation.model.parameters>max_tokens gcp.vertex.agent.llm_request>config.max_output_tokens
        langsmith.metadata.ls_max_tokens openai_agents.model_config>max_tokens llm.*.max_tokens""",
    ),
    Row("metadata.max_tokens", number, "max_tokens> langsmith.run.inputs>max_tokens", MODEL_USERS),
    Row(
        "metadata.finish_reasons",
        finish_words,
        """gen_ai.response.finish_reasons gen_ai.response.finish_reason llm.finish_reason ai.response.finishReason
        llm.response.finish_reason genkit:output>finishReason anthropic.message.stop_reason
        LLMChatEndEvent.response.raw.choices>0.finish_reason LLMChatEndEvent.response.raw.stop_reason
        LLMCompletionEndEvent.response.raw.choices>0.finish_reason LLMCompletionEndEvent.response.raw.stop_reason""",
    ),
    Row(
        "metadata.finish_reasons",
        word_list,
        """langsmith.run.outputs>choices.0.finish_reason
        langsmith.run.outputs>generations.0.0.generation_info.finish_reason
        langsmith.run.outputs>generations.0.0.message.kwargs.response_metadata.finish_reason
        openai_agents.output>choices.0.finish_reason""",
        MODEL_USERS,
    ),
    Row(
        "metadata.finish_reasons",
        finish_words,
        """output.value>choices.0.finish_reason output.value>finish_reason output.value>stop_reason
        output>choices.0.finish_reason
        output.value>generations.0.0.generation_info.finish_reason
        output.value>generations.0.0.message.kwargs.response_metadata.finish_reason
        output.value>generations.0.0.message.kwargs.response_metadata.stop_reason
        output.value>generations.0.0.message.kwargs.response_metadata.stopReason
        haystack.component.output>replies.0.meta.finish_reason haystack.component.output>meta.0.finish_reason
        haystack.agent.step.llm.output>replies.0.meta.finish_reason""",
        SERVED,
    ),
    Row("metadata.attachments", media_list, "langsmith.run.attachments"),
    Row(
        "metadata.tags",
        word_list,
        """langfuse.trace.tags tag.tags ai.telemetry.metadata.tags gen_ai.tags langwatch.labels
        langwatch.tags metadata>labels lmnr.association.properties.tags lmnr.span.tags mastra.tags
        braintrust.tags opik.tags confident.trace.tags""",
    ),
    Row("metadata.tags", comma_separated, "langsmith.span.tags"),
    Row("metadata.tags", word_list, _of_trace("tags")),
    # The call that this one continues: its input is only what is new since then.
    Row(
        "metadata.previous_response_id",
        identifier,
        """gen_ai.request.previous_response_id gen_ai.openai.request.previous_response_id
        openai.request.previous_response_id llm.request.previous_response_id gen_ai.response.previous_response_id
        llm.invocation_parameters>previous_response_id langfuse.observation.model.parameters>previous_response_id""",
    ),
)

RESOURCE_FIELDS: Final = (
    ("service_name", ("service.name",)),
    ("environment", ("langfuse.environment", "deployment.environment.name", "deployment.environment")),
    ("release", ("langfuse.release", "service.version")),
)
"""Fields that a span takes from its resource if none of its own attributes contains them."""

FOUND_BY_ID: Final = ("openinference.project.name",)
"""Attributes of the resources of clients that refer to spans by their ids alone: Phoenix's sends annotations so."""

MODEL_AROUND: Final = "model"
"""The attribute with the model of the calls inside a span that is no call itself."""

ENDS_OF_CALLS: Final = ("codex.usage.total_tokens",)
"""Attributes of a span that is the end of a model call, with its usage. The span around it that names the model has its
start. *source*: Codex, where the span of each event of a stream takes a millisecond."""

CALL_KEYS: Final = ("tool_use_id", "call_id", "request_id", "gen_ai.response.id")
"""Attributes with an id of a call, which log records and other spans about the call have as well."""

OPERATION_ROW: Final = Row("operation_type", label, OPERATION)

ENDS_OF_CONVERSATIONS: Final = ("turn.ended_by_conversation_end",)
"""Attributes that are true where a turn ended with its conversation, which Pipecat also reports as an interruption."""

FIRST_TOKEN_EVENTS: Final = frozenset(
    {"First Token Stream Event", "llm.content.completion.chunk", "mlflow.chunk.item.0", "gen_ai.response.first_token"}
    | {"new_token", "LLMChatInProgressEvent", "LLMCompletionInProgressEvent"}
)
"""Names of events about a token. BeeAI writes the path of the emitter after the name, in brackets."""

FIRST_TOKEN_TIMES: Final = ("langfuse.observation.completion_start_time", "mastra.completion_start_time")
"""Attributes with the time of the first token, as ISO 8601."""
