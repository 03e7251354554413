"""Tables of content: the attributes, events and fields that contain the input, the output and messages.

Sources are written as in `convention_tables`.
"""

from typing import Final

from tracestore.domain.log_messages import Direction

TRACE_CONTENT: Final = frozenset({"langfuse.trace.input", "langfuse.trace.output"})
"""Attributes with the input and output of the whole trace: only of a root are they its own."""

TOOL_CONTENT: Final = frozenset(
    {
        *("gen_ai.tool.call.arguments", "gen_ai.tool.arguments", "tool_arguments", "tool.parameters"),
        *("parameters", "gen_ai.tool.input", "gen_ai.tool.args"),
        *("gen_ai.tool.call.result", "gen_ai.tool.result", "tool_response", "gen_ai.tool.output"),
    }
)
"""Attributes with the arguments and the result of a tool. A model call may have those of the tools that it requests."""

INPUT: Final = """gen_ai.tool.call.arguments tool_arguments ai.toolCall.args> gcp.vertex.agent.tool_call_args
    gen_ai.input.messages gen_ai.input.messages.* llm.input_messages.* ai.prompt.messages gen_ai.prompt.* llm.prompts.*
    langfuse.observation.input langsmith.run.inputs openai_agents.input opik.input
    mlflow.spanInputs> gen_ai.prompt gcp.vertex.agent.llm_request gcp.vertex.agent.data
    ai.prompt ai.values
    ai.value request_data gen_ai.task.input traceloop.entity.input> retrieval.query reranker.query input.value
    gen_ai.retrieval.query.text embedding.embeddings.* inputs pydantic_ai.all_messages all_messages_events
    langfuse.trace.input gen_ai.tool.arguments gen_ai.content.prompt llm.prompts llm.messages llm.*.messages
    llm.*.contents genkit:input> langwatch.input>value lmnr.span.input> braintrust.input_json> braintrust.input>
    mastra.*.input lk.pii.function_tool.arguments lk.function_tool.arguments lk.pii.user_input lk.user_input
    lk.pii.chat_ctx lk.chat_ctx lk.pii.input_text lk.input_text LLMChatStartEvent.messages LLMChatEndEvent.messages
    LLMCompletionStartEvent.prompt LLMCompletionEndEvent.prompt EmbeddingEndEvent.chunks QueryStartEvent.query
    RetrievalStartEvent.str_or_query_bundle.query_str RetrievalStartEvent.str_or_query_bundle
    llamaindex.step.input_summary crewai.task.description
    gen_ai.tool.input gen_ai.request.messages gen_ai.embeddings.input haystack.component.input
    haystack.pipeline.input_data haystack.agent.step.llm.input haystack.agent.step.tool.input haystack.agent.input
    confident.span.input gen_ai.tool.args
    spring.ai.tool.call.arguments db.vector.query.content agentops.*.input text input tool.parameters
    parameters user_prompt {full_command,file_path}"""
"""Sources of a span's input. The input of a tool call is its arguments."""

OUTPUT: Final = """gen_ai.tool.call.result tool_response ai.toolCall.result> gcp.vertex.agent.tool_response
    gen_ai.output.messages gen_ai.output.messages.* llm.output_messages.*
    ai.response.{reasoning,text,toolCalls,object,files} gen_ai.completion.* llm.choices.*
    langfuse.observation.output langsmith.run.outputs openai_agents.output opik.output
    mlflow.spanOutputs> gen_ai.completion gcp.vertex.agent.llm_response response_data
    gen_ai.task.output traceloop.entity.output> retrieval.documents.* reranker.output_documents.*
    gen_ai.retrieval.documents output.value final_result langfuse.trace.output gen_ai.tool.result
    gen_ai.content.completion ai.embeddings ai.embedding embeddings llm.*.choices llm.*.candidates llm.*.content
    genkit:output> langwatch.output>value langwatch.rag_contexts>value lmnr.span.output> braintrust.output_json>
    braintrust.output> mastra.*.output lk.pii.function_tool.output lk.function_tool.output
    lk.pii.response.{text,function_calls} lk.response.{text,function_calls} lk.pii.user_transcript lk.user_transcript
    transcript LLMChatEndEvent.response.message.{role,blocks} LLMCompletionEndEvent.response.text
    EmbeddingEndEvent.embeddings RetrievalEndEvent.nodes ReRankEndEvent.nodes QueryEndEvent.response
    SynthesizeEndEvent.response step.output.output workflow.output.output crewai.crew.result llm.generated_message
    gen_ai.tool.output gen_ai.response.{text,tool_calls} haystack.component.output haystack.pipeline.output_data
    haystack.agent.step.llm.output haystack.agent.step.tool.output haystack.agent.output spring.ai.tool.call.result
    db.vector.query.response.documents agentops.*.output gen_ai.output confident.span.output
    honeyhive_outputs.result output"""
"""Sources of a span's output. The output of a tool call is its result."""

SYSTEM: Final = ("gen_ai.system_instructions", "langfuse.observation.metadata.instructions")
"""Attributes with instructions that are reported separately from the messages after them."""

SYSTEM_PARAMETERS: Final = (("llm.invocation_parameters", ("system", "instructions")),)
"""Attributes with the parameters of a request, and the names of those that are instructions."""

TOOL_OUTPUT_EVENTS: Final = frozenset({"tool.output"})
"""Events whose attributes are the output of a tool call."""

RESULT_EVENTS: Final = frozenset({"db.query.result", "db.search.result"})
"""Events that are each one document that a search found. Their attributes begin with the name of the event.
*source*: OpenLLMetry's instrumentations of vector databases."""

TEXT_LISTS: Final = frozenset({"gen_ai.response.text"})
"""Attributes with the JSON of a list of texts, one for each answer; or with the text alone, of a stream.
*source*: Sentry."""

EVENTS_WITH_ATTRIBUTES: Final = frozenset(
    {
        *("LLMChatStartEvent", "LLMChatEndEvent", "LLMCompletionStartEvent", "LLMCompletionEndEvent"),
        *("EmbeddingStartEvent", "EmbeddingEndEvent", "RetrievalStartEvent", "RetrievalEndEvent"),
        *("ReRankStartEvent", "ReRankEndEvent", "QueryStartEvent", "QueryEndEvent", "SynthesizeEndEvent"),
        *("step.output", "workflow.output"),
    }
)
"""Names of events that report what other clients report as attributes of the span. In the tables, the name of an event
and a dot are before the names of its attributes. *source*: LlamaIndex's own package for OpenTelemetry."""

EVENTS_ATTRIBUTE: Final = "events"
"""The attribute that some clients send instead of span events: a list of events in JSON."""

RAW_CONTENT_OPERATIONS: Final = frozenset({"tool_call", "retrieval", "embedding", "rerank", "lesson"})
"""Operations whose input and output are not conversations: arguments, documents, vectors, a lesson's request."""

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

EVENT_CONTENT: Final = "gen_ai.event.content"
"""The attribute with the JSON of a message or of a conversation that is the content of its event.

*source*: the semantic conventions before 1.30, and the tracing of Azure's AI SDKs.
"""

CONVERSATION_EVENTS: Final = {
    "gen_ai.system.instructions": "gen_ai.system_instructions",
    "gen_ai.input.messages": "gen_ai.input.messages",
    "gen_ai.output.messages": "gen_ai.output.messages",
}
"""Names of events whose `EVENT_CONTENT` is a conversation, with the attribute that contains it elsewhere."""

EVENTS_WITH_MESSAGES: Final[dict[str, Direction]] = {
    **{name: direction for name, (direction, _) in MESSAGE_EVENTS.items()},
    **{name: CONVERSATION_ATTRIBUTES[attribute][0] for name, attribute in CONVERSATION_EVENTS.items()},
}
"""Names of events that contain a message or a conversation, with its direction."""

CONVERSATION_FIELDS: Final[dict[str, tuple[Direction, str]]] = {
    "input": ("input", "user"),
    "output": ("output", "assistant"),
}
"""Fields of a log record's body with an object that has a list of messages. *source*: AWS Distro for OpenTelemetry."""

FINISH_FIELDS: Final = ("finish_reason", "finishReason", "stop_reason", "stopReason")
"""Fields of a message, or of the `response_metadata` that LangChain gives it, with the reason why it ended."""

CONTINUATION_FIELDS: Final = frozenset({"previous_response_id", "previousResponseId"})
"""Fields of a request to OpenAI's responses that continues a stored conversation: its input is only what is new."""
