"""Tables from the attributes of each convention to fields. Data only, read by `conventions`; a new convention is a row.

A source is written as the name of an attribute; `name>path`: a path in the JSON that the attribute contains (`name>` is
the whole JSON, of which even scalars are quoted); `name.*`: the attributes numbered after that name; `name.{a,b}`: an
object of these members, as far as present; `*` between dots is any one step. Sources are listed in order of precedence.
*source*: OpenTelemetry GenAI in all generations, OpenInference, OpenLLMetry old and new, Vercel AI SDK, Langfuse,
MLflow, LangSmith, Google ADK, Logfire, LiteLLM, Genkit, Mastra, Laminar, LangWatch, Braintrust, AG2, LiveKit Agents,
Pipecat. The decoders of the protocols of SDKs (`sdk_langsmith` and the others) name what they find like the convention
of the same SDK, else `langsmith.run.*`, `langfuse.ingestion.*`, `openai_agents.*` and `opik.*`.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from tracestore.domain.log_messages import Direction
from tracestore.domain.spans import Json

from .field_readers import (
    comma_separated,
    content,
    finish_words,
    flag,
    identifier,
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
    uncommon_label,
    word_list,
)


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

TRACE_CONTENT: Final = frozenset({"langfuse.trace.input", "langfuse.trace.output"})
"""Attributes with the input and output of the whole trace: only of a root are they its own."""

TOOL_CONTENT: Final = frozenset(
    {
        *("gen_ai.tool.call.arguments", "gen_ai.tool.arguments", "tool_arguments", "tool.parameters"),
        *("gen_ai.tool.call.result", "gen_ai.tool.result", "tool_response"),
    }
)
"""Attributes with the arguments and the result of a tool. A model call may have those of the tools that it requests."""

TOOL: Final = frozenset({"tool_call"})
SERVED: Final = frozenset({"completion", "embedding", "rerank"})
MODEL_USERS: Final = SERVED | {"agent"}

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
    Row(
        "model_name",
        label,
        """gen_ai.response.model llm.model_name embedding.model_name reranker.model_name ai.response.model
        langfuse.observation.model.name mlflow.llm.model> gcp.vertex.agent.llm_response>model_version
        gen_ai.request.model ai.model.id langsmith.metadata.ls_model_name
        traceloop.association.properties.ls_model_name llm.request.model llm.invocation_parameters>model
        llm.invocation_parameters>model_name embedding.invocation_parameters>model metadata>ls_model_name
        gcp.vertex.agent.llm_request>model openai_agents.model opik.model llm.*.model""",
    ),
    Row("model_name", label, "braintrust.metadata>model braintrust.metadata.model"),
    Row("model_name", label, "genkit:output>raw.model genkit:output>raw.modelVersion genkit:name", SERVED),
    Row("model_name", label, "model> model_name", MODEL_USERS),
    Row(
        "metadata.request_model",
        label,
        """gen_ai.request.model ai.model.id llm.request.model llm.invocation_parameters>model
        embedding.invocation_parameters>model gcp.vertex.agent.llm_request>model langsmith.metadata.ls_model_name
        openai_agents.model""",
    ),
    Row("metadata.request_model", label, "model>", MODEL_USERS),
    Row("metadata.request_model", label, "genkit:name", SERVED),
    Row(
        "model_provider",
        normalize_provider,
        """gen_ai.provider.name llm.provider gen_ai.system llm.system ai.model.provider
        mlflow.llm.provider> langsmith.metadata.ls_provider traceloop.association.properties.ls_provider
        metadata>ls_provider embedding.provider llm.vendor braintrust.metadata>provider
        braintrust.metadata.provider opik.provider""",
    ),
    Row("model_provider", provider_before_slash, "genkit:name", SERVED),
    # A gateway that reports only itself as the provider: its names of models begin with the provider.
    Row("model_provider", known_provider_before_slash, "gen_ai.request.model llm.model_name", SERVED),
    Row(
        "conversation_id",
        identifier,
        """session.id gen_ai.conversation.id langfuse.session.id ai.telemetry.metadata.sessionId
        ai.telemetry.metadata.session_id ai.telemetry.metadata.threadId ai.telemetry.metadata.conversationId
        traceloop.association.properties.session_id traceloop.association.properties.conversation_id
        traceloop.association.properties.thread_id langsmith.metadata.session_id langsmith.metadata.conversation_id
        langsmith.metadata.thread_id mlflow.trace.session> gcp.vertex.agent.session_id metadata>session_id
        metadata>conversation_id metadata>thread_id langwatch.thread.id langwatch.thread_id
        ai.settings.context.sessionId ai.settings.context.threadId ai.settings.context.conversationId
        lmnr.association.properties.session_id mastra.metadata.threadId mastra.metadata.sessionId
        mastra.metadata.conversationId braintrust.metadata>session_id braintrust.metadata>thread_id
        braintrust.metadata.session_id opik.thread_id conversation.id conversation_id session_id""",
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
        gcp.vertex.agent.user_id llm.user gen_ai.user gen_ai.request.user enduser.pseudo.id metadata>user_id
        langwatch.user.id langwatch.user_id ai.settings.context.userId lmnr.association.properties.user_id
        mastra.metadata.userId mastra.metadata.resourceId braintrust.metadata>user_id braintrust.metadata.user_id
        litellm.metadata.user_api_key_end_user_id user_id""",
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
    Row(
        "tool_name", label, "gen_ai.tool.name tool.name ai.toolCall.name tool_call.function.name lk.function_tool.name"
    ),
    Row("tool_name", label, "traceloop.entity.name genkit:name", TOOL),
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
        identifier,
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
    Row("metadata.time_to_first_token_ms", milliseconds, "ai.response.msToFirstChunk opik.ttft"),
    Row(
        "metadata.time_to_first_token_ms",
        seconds,
        """gen_ai.response.time_to_first_chunk llm.latency.first_token gen_ai.client.operation.time_to_first_chunk
        lk.response.ttft lk.response.ttfb metrics.ttfb braintrust.metrics>time_to_first_token
        braintrust.metrics.time_to_first_token""",
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
        llm.response.finish_reason genkit:output>finishReason anthropic.message.stop_reason""",
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
        "output.value>choices.0.finish_reason output.value>finish_reason output.value>stop_reason",
        SERVED,
    ),
    Row("metadata.attachments", media_list, "langsmith.run.attachments"),
    Row(
        "metadata.tags",
        word_list,
        """langfuse.trace.tags tag.tags ai.telemetry.metadata.tags gen_ai.tags langwatch.labels
        langwatch.tags metadata>labels lmnr.association.properties.tags lmnr.span.tags mastra.tags
        braintrust.tags opik.tags""",
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

CACHE, REASONING, DETAILS = "cache", "reasoning", "details"
INSIDE: Final = frozenset({CACHE, REASONING, DETAILS})
"""The kinds that a count may include: input the tokens read from and written to a cache, output those of reasoning, and
both those of other modalities."""

APART: Final[frozenset[str]] = frozenset()


class UsageSource(NamedTuple):
    """Attributes with token counts, and the kinds that their counts of input and output include.

    *shape*: `name` ends in `.` before the name of a count, or in `>` and a path to an object of counts; `*` is a step.
    *absent*: None for a source that states nothing, so that arithmetic decides.
    """

    name: str
    includes: frozenset[str] | None = INSIDE
    operations: frozenset[str] = frozenset()


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
    UsageSource("metadata.usage_object>"),
    UsageSource("llm.*.usage>"),
    UsageSource("llm.*.usageMetadata>"),
    UsageSource("llm.*.usage_metadata>"),
    UsageSource("mlflow.spanOutputs>usage"),
    UsageSource("ai.response.providerMetadata>anthropic", APART),
    UsageSource("gen_ai.usage.raw>"),
    UsageSource("anthropic.usage.", None),
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
    UsageSource("braintrust.metrics>"),
    UsageSource("braintrust.metrics."),
    UsageSource("langwatch.metrics>"),
    UsageSource("langwatch.metrics>value"),
    UsageSource("agent.usage."),
    UsageSource("agent.usage_apart.", APART),
    UsageSource("usage.", None, MODEL_USERS),
    UsageSource("usage>", None, MODEL_USERS),
    UsageSource("token_usage>", None, MODEL_USERS),
)
"""Sources of token counts, in order of precedence. The names of counts are read by their words."""

SCOPES: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    (r"opentelemetry\.instrumentation\..*bedrock.*", APART),
    (r"openlit\.instrumentation\.(?:anthropic|bedrock)", frozenset({REASONING, DETAILS})),
    (r"openlit\.instrumentation\.(?:google_ai_studio|vertexai)", frozenset({CACHE, DETAILS})),
)
"""Instrumentation scopes that pass on the counts of a provider, and what these include: Bedrock and Anthropic count the
cache apart from the input, Gemini counts thoughts apart from the answer."""

LONE_COUNTS: Final = {
    "gen_ai.client.token.usage": "total_tokens",
    "thoughts_token_count": "thoughts",
    "ai.usage.tokens": "input",
}
"""The names of counts by the attributes whose name alone does not say what they count."""

RESOURCE_FIELDS: Final = (
    ("service_name", ("service.name",)),
    ("environment", ("langfuse.environment", "deployment.environment.name", "deployment.environment")),
    ("release", ("langfuse.release", "service.version")),
)
"""Fields that a span takes from its resource if none of its own attributes contains them."""

FOUND_BY_ID: Final = ("openinference.project.name",)
"""Attributes of the resources of clients that refer to spans by their ids alone: Phoenix's sends annotations so."""

INPUT: Final = """gen_ai.tool.call.arguments tool_arguments ai.toolCall.args> gcp.vertex.agent.tool_call_args
    gen_ai.input.messages llm.input_messages.* ai.prompt.messages gen_ai.prompt.* llm.prompts.*
    langfuse.observation.input langsmith.run.inputs openai_agents.input opik.input
    mlflow.spanInputs> gen_ai.prompt gcp.vertex.agent.llm_request gcp.vertex.agent.data
    ai.prompt ai.values
    ai.value request_data gen_ai.task.input traceloop.entity.input> retrieval.query reranker.query input.value
    gen_ai.retrieval.query.text embedding.embeddings.* inputs pydantic_ai.all_messages all_messages_events
    langfuse.trace.input tool.parameters gen_ai.tool.arguments gen_ai.content.prompt llm.prompts llm.*.messages
    llm.*.contents genkit:input> langwatch.input>value lmnr.span.input> braintrust.input_json> braintrust.input>
    mastra.*.input lk.pii.function_tool.arguments lk.function_tool.arguments lk.pii.user_input lk.user_input
    lk.pii.chat_ctx lk.chat_ctx lk.pii.input_text lk.input_text text input user_prompt {full_command,file_path}"""
"""Sources of a span's input. The input of a tool call is its arguments."""

OUTPUT: Final = """gen_ai.tool.call.result tool_response ai.toolCall.result> gcp.vertex.agent.tool_response
    gen_ai.output.messages llm.output_messages.* ai.response.{reasoning,text,toolCalls,object,files}
    gen_ai.completion.* llm.choices.*
    langfuse.observation.output langsmith.run.outputs openai_agents.output opik.output
    mlflow.spanOutputs> gen_ai.completion gcp.vertex.agent.llm_response response_data
    gen_ai.task.output traceloop.entity.output> retrieval.documents.* reranker.output_documents.*
    gen_ai.retrieval.documents output.value final_result langfuse.trace.output gen_ai.tool.result
    gen_ai.content.completion ai.embeddings ai.embedding embeddings llm.*.choices llm.*.candidates llm.*.content
    genkit:output> langwatch.output>value langwatch.rag_contexts>value lmnr.span.output> braintrust.output_json>
    braintrust.output> mastra.*.output lk.pii.function_tool.output lk.function_tool.output
    lk.pii.response.{text,function_calls} lk.response.{text,function_calls} lk.pii.user_transcript lk.user_transcript
    transcript output"""
"""Sources of a span's output. The output of a tool call is its result."""

SYSTEM: Final = ("gen_ai.system_instructions",)
"""Attributes with instructions that are reported separately from the messages after them."""

TOOL_OUTPUT_EVENTS: Final = frozenset({"tool.output"})
"""Events whose attributes are the output of a tool call."""

EXIT_CODES: Final = ("process.exit.code",)
"""Attributes with the exit code of the command that a span ran."""

MODEL_AROUND: Final = "model"
"""The attribute with the model of the calls inside a span that is no call itself."""

CALL_KEYS: Final = ("tool_use_id", "call_id", "request_id", "gen_ai.response.id")
"""Attributes with an id of a call, which log records and other spans about the call have as well."""

PARTS_OF_CALLS: Final = (".tool.execution", ".tool.blocked_on_user", ".hook")
"""Ends of the names of spans that are parts of the tool call above them."""

EXECUTIONS: Final = (".tool.execution",)
"""Ends of the names of those parts whose failure is the failure of the tool call."""

EVENTS_ATTRIBUTE: Final = "events"
"""The attribute that some clients send instead of span events: a list of events in JSON."""

OPERATION: Final = """gen_ai.operation.name openinference.span.kind langfuse.observation.type ai.operationId
    langsmith.span.kind openai_agents.type opik.type mlflow.spanType> traceloop.span.kind llm.request.type
    langwatch.span.type lmnr.span.type
    genkit:metadata:subtype genkit:type braintrust.span_attributes>type mastra.span.type ag2.span.type"""
"""Sources of a span's operation, as a word of `OPERATION_WORDS`."""

OPERATION_ROW: Final = Row("operation_type", label, OPERATION)

OPERATION_WORDS: Final = {
    word: operation
    for operation, text in {
        "completion": """chat text_completion generate_content completion completions llm generation chat_model
            response responses message messages llm_call model_generation model_call model llm_request llm_generation
            inference acompletion completion_create aresponses anthropic_messages chat_completion chat_completions
            create_completion create_response create_message generatecontent streamgeneratecontent converse
            converse_stream invoke_model invoke_model_with_response_stream generate text generate_text generate_object
            stream_text ai.generatetext.dogenerate ai.streamtext.dostream ai.generateobject.dogenerate
            ai.streamobject.dostream""",
        "embedding": """embedding embeddings embed create_embeddings create_embedding aembedding embed_content
            embedcontent embed_query embed_documents text_embedding
            ai.embed.doembed ai.embedmany.doembed embedder""",
        "rerank": "rerank arerank reranker reranking ai.rerank.dorerank",
        "tool_call": """execute_tool tool tool_call ai.toolcall function function_call call_tool tool_execution tool_use
            mcp_tool mcp_tool_call web_search file_search code_execution code_interpreter computer_use""",
        "agent": "invoke_agent create_agent agent agent_run run_agent agent_step agent_turn",
        "workflow": "workflow invoke_workflow workflow_run flow",
        "chain": """chain util flowstep workflow_step schedule_tool_calls turn task execute_task prompt parser plan
            execute_event_loop_cycle ai.generatetext ai.streamtext ai.generateobject ai.streamobject ai.embed
            ai.embedmany ai.rerank general""",
        "retrieval": "retriever retrieval retrieve search_memory",
        "guardrail": "guardrail moderation amoderation moderations",
        "evaluation": "evaluator evaluation",
        "lesson": "lesson",
        "other": """span event custom unknown memory count_tokens record_usage image_generation speech
            transcription stt tts usage""",
    }.items()
    for word in text.split()
}

EVIDENCE: Final = tuple(
    (operation, frozenset(names))
    for operation, names in (
        ("other", ("hook_event", "lk.tts.streaming", "lk.tts_metrics", "lk.response.ttfb", "lk.eou.probability")),
        (
            "tool_call",
            (
                "codex.tool.phase",
                "lk.function_tool.name",
                "gen_ai.tool.name",
                "gen_ai.tool.call.id",
                "gcp.vertex.agent.tool_call_args",
                "tool.name",
            ),
        ),
        ("embedding", ("embedding.model_name", "gen_ai.embeddings.dimension.count", "gen_ai.request.encoding_formats")),
        ("agent", ("gen_ai.agent.name", "gen_ai.agent.id")),
        (
            "completion",
            (
                *("gcp.vertex.agent.llm_request", "gen_ai.response.model", "gen_ai.system", "llm.model_name"),
                *("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.prompt.0.content"),
            ),
        ),
        ("http", ("http.request.method", "http.method", "http.response.status_code", "http.status_code")),
    )
)
"""The operation of a span that reports none: the first one of whose attributes the span has any."""

RAW_CONTENT_OPERATIONS: Final = frozenset({"tool_call", "retrieval", "embedding", "rerank", "lesson"})
"""Operations whose input and output are not conversations: arguments, documents, vectors, a lesson's request."""

OPERATIONS_BY_NAME_PREFIX: Final[tuple[tuple[str, str], ...]] = (
    ("call_llm", "completion"),
    ("execute_tool ", "tool_call"),
    ("agent_run ", "agent"),
    ("invoke_agent ", "agent"),
)
"""The operation of a span without such attributes, such as one that failed early, by the start of its name."""

CALLS_BY_NAME_PREFIX: Final[tuple[tuple[str, str], ...]] = (
    ("chat ", "completion"),
    ("embeddings ", "embedding"),
    ("text_completion ", "completion"),
)
"""The same for spans of the kind `client`: these words before the name of a model mean other things in other spans."""

TOOL_NAME: Final = r"(?:execute_tool |running tool:? |tool[.:/])?(?P<name>.+?)(?:\.__call__|\.tool)?"
"""The name of a tool inside the name of its span, for conventions that send it nowhere else."""

ERROR_TYPES: Final = ("error.type", "gen_ai.error.type", "exception.type")
ERROR_MESSAGES: Final = ("error.message", "langfuse.observation.status_message", "exception.message")
LEVELS: Final = ("langfuse.observation.level", "langfuse.level")
ERROR_LEVELS: Final = ("ERROR", "error", "Error")
"""The values of the `LEVELS` attributes that mean the span failed."""

GENERIC_ERRORS: Final = frozenset({"Exception", "Error", "BaseException", "_OTHER", "error", "unknown"})
"""Error types that state only that an error occurred, as bare HTTP status codes do."""

CONTROL_FLOW: Final = (
    r"(?:\w*[a-z])?(?:interrupt|interruption|suspend|suspended|paused?)(?:error|exception)?|interrupted(?:exception)?"
    r"|\w*(?:call|tool|run)_?deferred\w*|deferred_?(?:call|tool|run)\w*|graph_?bubble_?up|parent_?command"
    r"|\w*approval_?(?:required|requested|needed|pending)\w*|\w*(?:requires?|needs?|awaiting|pending)_?approval\w*"
    r"|\w*human_?(?:input|feedback|review|interaction)_?(?:required|requested|needed|pending)\w*"
    r"|\w*waiting_?for_?(?:approval|event|human|input|user)\w*|(?:\w*[a-z])?cancell?ed(?:error|exception)?|cancell?ation\w*"
    r"|abort(?:ed)?(?:error|exception)?|499|generatorexit|\w+[a-z]interrupted(?:exception)?|\w*human_?in_?the_?loop\w*"
    r"|\w*(?:confirmation|elicitation)_?(?:required|requested|needed|pending)\w*"
    r"|\w*(?:requires?|needs?|awaiting|pending)_?(?:user_?|human_?)?confirmation\w*"
    r"|\w*(?:needs|awaiting|pending)_?(?:user_?|human_?)?input\w*"
)
"""Types of exceptions that do not mean a failure, by the last part of their names: a framework waits for a person, goes
on in its graph, or the caller cancelled the work."""

INTERRUPTED_REASONS: Final = frozenset({"cancelled", "canceled", "interrupted", "aborted", "abort"})
"""Finish reasons of answers that were cut off."""

ENDS_OF_CONVERSATIONS: Final = ("turn.ended_by_conversation_end",)
"""Attributes that are true where a turn ended with its conversation, which Pipecat also reports as an interruption."""

FAILED_REASONS: Final = frozenset({"error", "failed"})
"""Finish reasons of answers that failed, which some clients report without an error status."""

FIRST_TOKEN_EVENTS: Final = frozenset(
    {"First Token Stream Event", "llm.content.completion.chunk", "mlflow.chunk.item.0", "gen_ai.response.first_token"}
    | {"new_token"}
)
FIRST_TOKEN_TIMES: Final = ("langfuse.observation.completion_start_time", "mastra.completion_start_time")
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

CONVERSATION_FIELDS: Final[dict[str, tuple[Direction, str]]] = {
    "input": ("input", "user"),
    "output": ("output", "assistant"),
}
"""Fields of a log record's body with an object that has a list of messages. *source*: AWS Distro for OpenTelemetry."""

FINISH_FIELDS: Final = ("finish_reason", "finishReason", "stop_reason")
"""Fields of a message with the reason why it ended."""

CONTINUATION_FIELDS: Final = frozenset({"previous_response_id", "previousResponseId"})
"""Fields of a request to OpenAI's responses that continues a stored conversation: its input is only what is new."""
