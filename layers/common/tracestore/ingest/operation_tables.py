"""Tables of operations: the attributes, their words, and the names of spans that state what a span does.

Sources are written as in `convention_tables`.
"""

from typing import Final

TOOL: Final = frozenset({"tool_call"})
SERVED: Final = frozenset({"completion", "embedding", "rerank"})
MODEL_USERS: Final = SERVED | {"agent"}

PARTS_OF_CALLS: Final = (".tool.execution", ".tool.blocked_on_user", ".hook")
"""Ends of the names of spans that are parts of the tool call above them."""

REPEATED_CALLS: Final = frozenset({"mcp.tools.call", "Tool.execute"})
"""Names of spans that repeat a tool call which another span reports with its operation. They report none themselves.

*source*: Codex, around each call of an MCP server; opencode, next to each span of the AI SDK."""

EXECUTIONS: Final = (".tool.execution",)
"""Ends of the names of those parts whose failure is the failure of the tool call."""

APPROVALS: Final = (".tool.blocked_on_user",)
"""Ends of the names of those parts that wait for a person, whose `decision` may be that the tool must not run."""

SUMMARIES_OF_CALLS: Final = frozenset({"execute_tool (merged)"})
"""Names of spans that sum up the tool calls next to them, and call no tool. *source*: Google ADK."""

OPERATION: Final = """gen_ai.operation.name openinference.span.kind langfuse.observation.type ai.operationId
    langsmith.span.kind openai_agents.type opik.type mlflow.spanType> traceloop.span.kind llm.request.type
    gen_ai.request.type
    langwatch.span.type lmnr.span.type
    genkit:metadata:subtype genkit:type braintrust.span_attributes>type mastra.span.type ag2.span.type
    gen_ai.span.kind confident.span.type agentops.span.kind haystack.component.type honeyhive_event_type
    mistral_ai.operation.id spring.ai.kind span_type span.type"""
"""Sources of a span's operation, as a word of `OPERATION_WORDS`."""

PLAIN_SOURCES: Final = frozenset(
    {
        *("agentops.span.kind", "honeyhive_event_type", "mistral_ai.operation.id", "spring.ai.kind"),
        *("span_type", "span.type"),
    }
)
"""Sources with words of their own, or whose names mean something else in other clients: a word in them that is not
known reports nothing."""

OWN_WORDS: Final = {
    ("agentops.span.kind", "operation"): "chain",
    ("agentops.span.kind", "session"): "workflow",
    ("honeyhive_event_type", "model"): "completion",
    ("honeyhive_event_type", "session"): "workflow",
    ("mistral_ai.operation.id", "embeddings_v1_embeddings_post"): "embedding",
    ("span_type", "function"): "chain",
    ("spring.ai.kind", "advisor"): "chain",
    ("spring.ai.kind", "chat_client"): "chain",
}
"""The operations of words that one source means otherwise: PromptFlow calls any traced function so, tools have a word
of their own."""

CLASS_SOURCES: Final = frozenset({"haystack.component.type"})
"""Sources whose word is the name of a class, which ends in what it does. Any other class is a step of its pipeline."""

OPERATIONS_BY_CLASS_SUFFIX: Final[tuple[tuple[str, str], ...]] = (
    ("ImageGenerator", "other"),
    ("Generator", "completion"),
    ("Embedder", "embedding"),
    ("Retriever", "retrieval"),
    ("Ranker", "rerank"),
    ("Agent", "agent"),
)
"""The operation of a class by the end of its name. *source*: the components of Haystack."""

OPERATION_WORDS: Final = {
    word: operation
    for operation, text in {
        "completion": """chat text_completion generate_content completion completions llm generation chat_model
            response responses message messages llm_call model_generation model_call model llm_request llm_generation
            inference acompletion completion_create aresponses anthropic_messages chat_completion chat_completions
            chat_streaming text_completions
            call_llm create_completion create_response create_message generatecontent streamgeneratecontent converse
            converse_stream invoke_model invoke_model_with_response_stream generate text generate_text generate_object
            stream_text ai.generatetext.dogenerate ai.streamtext.dostream ai.generateobject.dogenerate
            ai.streamobject.dostream""",
        "embedding": """embedding embeddings embed create_embeddings create_embedding aembedding embed_content
            embedcontent embed_query embed_documents text_embedding
            ai.embed.doembed ai.embedmany.doembed embedder""",
        "rerank": "rerank arerank reranker reranking ai.rerank.dorerank",
        "tool_call": """execute_tool tool tool_call ai.toolcall function function_call call_tool tool_execution tool_use
            mcp_tool mcp_tool_call web_search file_search code_execution code_interpreter computer_use""",
        "agent": "invoke_agent create_agent agent agent_run agent_call run_agent agent_step agent_turn interaction",
        "workflow": "workflow invoke_workflow workflow_run flow",
        "chain": """chain util flowstep workflow_step schedule_tool_calls turn task execute_task prompt parser plan
            entry step
            execute_event_loop_cycle orchestrate_tools ai.generatetext ai.streamtext ai.generateobject ai.streamobject
            ai.embed ai.embedmany ai.rerank general""",
        "retrieval": "retriever retrieval retrieve search_memory",
        "guardrail": "guardrail moderation amoderation moderations",
        "evaluation": "evaluator evaluation scorer",
        "lesson": "lesson",
        "other": """span event custom unknown memory count_tokens record_usage image_generation speech
            transcription stt tts usage""",
    }.items()
    for word in text.split()
}

EVIDENCE: Final = tuple(
    (operation, frozenset(names))
    for operation, names in (
        ("completion", ("LLMChatStartEvent.class_name", "LLMCompletionStartEvent.class_name")),
        ("embedding", ("EmbeddingStartEvent.class_name",)),
        ("retrieval", ("RetrievalStartEvent.class_name",)),
        ("retrieval", ("db.vector.query.content",)),
        ("rerank", ("ReRankStartEvent.class_name",)),
        ("chain", ("QueryStartEvent.class_name", "step.output.class_name")),
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
        ("completion", ("gcp.vertex.agent.llm_request",)),
        ("agent", ("gen_ai.agent.name", "gen_ai.agent.id", "agent.state")),
        ("workflow", ("workflow.execution.id",)),
        ("chain", ("tanstack.ai.iterations",)),
        (
            "completion",
            (
                *("gen_ai.response.model", "gen_ai.system", "llm.model_name"),
                *("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.prompt.0.content"),
            ),
        ),
        ("http", ("http.request.method", "http.method", "http.response.status_code", "http.status_code")),
    )
)
"""The operation of a span that reports none: the first one of whose attributes the span has any."""

PREPARATIONS: Final = ("._prepare_chat_with_tools",)
"""Ends of the names of spans that prepare a model call, which clients report as calls: each is a method of the class
that also has the call."""

OPERATIONS_BY_NAME_PREFIX: Final[tuple[tuple[str, str], ...]] = (
    ("call_llm", "completion"),
    ("execute_tool ", "tool_call"),
    ("Toolkit.handle", "tool_call"),
    ("agent_run ", "agent"),
    ("invoke_agent ", "agent"),
    ("execute_agent_loop_cycle", "chain"),
    ("BaseWorkflowAgent.", "chain"),
    ("FunctionTool.", "tool_call"),
    ("AgentWorkflow.run", "workflow"),
    ("FunctionAgent.run", "agent"),
    ("ReActAgent.run", "agent"),
    ("CodeActAgent.run", "agent"),
    ("haystack.agent.step.llm", "completion"),
    ("haystack.agent.step.tool", "tool_call"),
    ("haystack.agent.step", "chain"),
    ("haystack.agent.run", "agent"),
    ("haystack.pipeline", "chain"),
    ("haystack.async_pipeline", "chain"),
    ("langchain4j.tools.", "tool_call"),
    ("langchain4j.aiservices.", "chain"),
    ("chroma.query", "retrieval"),
    ("db.weaviate.collections.query.", "retrieval"),
    ("db.weaviate.gql.get.do", "retrieval"),
    ("lancedb.search", "retrieval"),
    ("marqo.search", "retrieval"),
    ("milvus.hybrid_search", "retrieval"),
    ("milvus.query", "retrieval"),
    ("milvus.search", "retrieval"),
    ("pinecone.query", "retrieval"),
    ("qdrant.discover", "retrieval"),
    ("qdrant.query", "retrieval"),
    ("qdrant.recommend", "retrieval"),
    ("qdrant.search", "retrieval"),
)
"""The operation of a span without such attributes, such as one that failed early, by the start of its name. The vector
databases are those of OpenLLMetry."""

CALLS_BY_NAME_PREFIX: Final[tuple[tuple[str, str], ...]] = (
    ("chat ", "completion"),
    ("embeddings ", "embedding"),
    ("text_completion ", "completion"),
)
"""The same for spans of the kind `client`: these words before the name of a model mean other things in other spans."""

TOOL_NAME: Final = (
    r"(?!FunctionTool\.)(?:execute_tool |running tool:? |tool[.:/]|langchain4j\.tools\.)?"
    r"(?P<name>.+?)(?:\.__call__|\.tool)?"
)
"""The name of a tool inside the name of its span, for conventions that send it nowhere else. LlamaIndex names the class
of the tool alone."""
