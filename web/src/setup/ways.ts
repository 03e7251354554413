/** Ways of sending traces, and of reading them by a coding agent: what to copy, with an address and a key filled in. */

export interface Step {
  label: string;
  code: string;
}

export interface Way {
  id: string;
  label: string;
  /** The scope that the key of this way needs. */
  scope: "ingest" | "read";
  intro: string;
  steps: Step[];
  notes: string[];
  /** The page of the documentation. */
  more: string;
}

/** What stands in place of a key. */
export const PLACEHOLDER = "tsk_…";

/** All ways, for a deployment at `base` (without a slash at its end) with `key`. */
export function waysOf(base: string, key: string): Way[] {
  const openTelemetry = `export OTEL_EXPORTER_OTLP_ENDPOINT=${base}
export OTEL_EXPORTER_OTLP_HEADERS="x-api-key=${key}"
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`;
  const client = `export TRACESTORE_ENDPOINT=${base}
export TRACESTORE_API_KEY=${key}`;
  return [
    {
      id: "otel",
      label: "OpenTelemetry",
      scope: "ingest",
      intro:
        "Every exporter that reads OpenTelemetry's own variables needs no other setting. Instrumentations such as OpenInference, OpenLLMetry, pydantic-ai and Strands send through one.",
      steps: [{ label: "Environment", code: openTelemetry }],
      notes: [
        "gRPC is not supported. Without the protocol, many exporters use gRPC and nothing arrives.",
        "Exporters send in the background: flush or shut down before a process ends or a function freezes.",
      ],
      more: "docs/sending/README.md",
    },
    {
      id: "python",
      label: "Python",
      scope: "ingest",
      intro:
        "tracestore's own client: lessons, agents and calls, by decorators or by configuration alone. It is in the folder client/ of the repository.",
      steps: [
        {
          label: "Install",
          code: "pip install path/to/tracestore/client openai openinference-instrumentation-openai",
        },
        { label: "Environment", code: client },
        {
          label: "Program",
          code: `import tracestore_client as tracestore
from openai import OpenAI

tracestore.configure(service_name="teacher", instrument=["openai"])


@tracestore.trace_lesson("lesson_id")
def generate(lesson_id: str, topic: str) -> dict[str, str]:
    reply = OpenAI().chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": f"Write a lesson about {topic}."}]
    )
    return {"title": topic, "text": reply.choices[0].message.content}


print(generate("lesson-7", topic="rivers"))`,
        },
      ],
      notes: ["The program calls OpenAI and needs OPENAI_API_KEY."],
      more: "docs/sending/tracestore-client.md",
    },
    {
      id: "javascript",
      label: "JavaScript",
      scope: "ingest",
      intro:
        "tracestore's own client for Node and edge runtimes, in TypeScript. `make packages` in the repository builds the tarball.",
      steps: [
        {
          label: "Install",
          code: "npm install path/to/tracestore/dist/tracestore-client-0.1.0.tgz openai",
        },
        { label: "Environment", code: client },
        {
          label: "Program (lesson.mjs)",
          code: `import OpenAI from "openai";
import { configure, shutdown, traceLesson } from "tracestore-client";

configure({ serviceName: "teacher" });

async function generate(lessonId, topic) {
  return traceLesson({ lessonId, request: { topic } }, async (lesson) => {
    const messages = [{ role: "user", content: \`Write a lesson about \${topic}.\` }];
    const text = await lesson.llmCall({ provider: "openai", model: "gpt-4o-mini", messages }, async (call) => {
      const reply = await new OpenAI().chat.completions.create({ model: "gpt-4o-mini", messages });
      call.respond(reply.choices[0].message.content, { model: reply.model });
      call.usage({ inputTokens: reply.usage.prompt_tokens, outputTokens: reply.usage.completion_tokens });
      return reply.choices[0].message.content;
    });
    return { title: topic, text };
  });
}

console.log(await generate("lesson-7", "rivers"));
await shutdown();`,
        },
      ],
      notes: ["The program calls OpenAI and needs OPENAI_API_KEY."],
      more: "docs/sending/tracestore-client-js.md",
    },
    {
      id: "curl",
      label: "curl",
      scope: "ingest",
      intro: "One span as JSON. It shows that the address and the key work.",
      steps: [
        {
          label: "Request",
          code: `curl "${base}/api/analytics/traces" -H "Authorization: Bearer ${key}" \\
  -d '{"trace_id": "curl-'$(date +%s)'", "span_name": "llm.completion", "operation_type": "completion",
    "model_name": "gpt-4o-mini", "model_provider": "openai",
    "start_time": "'$(date -u +%FT%TZ)'", "duration_ms": 1900, "input_tokens": 412, "output_tokens": 96,
    "input_data": {"prompt": "Plan a day in Lisbon"}, "output_data": {"text": "Morning: Alfama."}}'`,
        },
      ],
      notes: [],
      more: "docs/api.md",
    },
    {
      id: "langfuse",
      label: "Langfuse SDK",
      scope: "ingest",
      intro: "The SDK works unchanged. Its secret key is the API key, and its public key can be any text.",
      steps: [
        {
          label: "Environment",
          code: `export LANGFUSE_BASE_URL=${base}
export LANGFUSE_PUBLIC_KEY=tracestore
export LANGFUSE_SECRET_KEY=${key}`,
        },
      ],
      notes: [
        "Traces and scores arrive, from older versions of the SDK as well. Prompts and datasets do not exist here.",
        "Scores need a key with the scope annotate as well.",
      ],
      more: "docs/sending/langfuse.md",
    },
    {
      id: "langsmith",
      label: "LangSmith SDK",
      scope: "ingest",
      intro:
        "For LangChain and LangGraph, which depend on this SDK already, and for code that uses it directly.",
      steps: [
        { label: "Install", code: "pip install langsmith" },
        {
          label: "Environment",
          code: `export LANGSMITH_ENDPOINT=${base}
export LANGSMITH_API_KEY=${key}
export LANGSMITH_TRACING=true`,
        },
      ],
      notes: [
        "Feedback needs a key with the scope annotate as well.",
        "Call wait_for_all_tracers() of langchain_core.tracers.langchain before a short program ends.",
      ],
      more: "docs/sending/langsmith.md",
    },
    {
      id: "openai-agents",
      label: "OpenAI Agents SDK",
      scope: "ingest",
      intro: "With the instrumentation of OpenInference, which replaces the SDK's export to OpenAI.",
      steps: [
        {
          label: "Install",
          code: "pip install openai-agents openinference-instrumentation-openai-agents opentelemetry-sdk opentelemetry-exporter-otlp-proto-http",
        },
        { label: "Environment", code: openTelemetry },
        {
          label: "At the start of the program",
          code: `from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
OpenAIAgentsInstrumentor().instrument(tracer_provider=provider)`,
        },
        { label: "At its end", code: "provider.shutdown()" },
      ],
      notes: [],
      more: "docs/sending/openai-agents.md",
    },
    {
      id: "agents",
      label: "Coding agents",
      scope: "read",
      intro:
        "Claude Code, Cursor, VS Code and others read your traces by the Model Context Protocol: why a run failed, what was spent on retries. The key needs the scope read and nothing else.",
      steps: [
        {
          label: "Claude Code",
          code: `claude mcp add --transport http tracestore ${base}/mcp \\
  --header "x-api-key: ${key}"`,
        },
        {
          label: "Cursor, in ~/.cursor/mcp.json",
          code: `{"mcpServers": {"tracestore": {
  "url": "${base}/mcp",
  "headers": {"x-api-key": "${key}"}}}}`,
        },
        {
          label: "VS Code, in .vscode/mcp.json. It asks for the key once",
          code: `{"servers": {"tracestore": {
   "type": "http",
   "url": "${base}/mcp",
   "headers": {"x-api-key": "\${input:tracestore-key}"}}},
 "inputs": [{"type": "promptString", "id": "tracestore-key", "description": "API key of tracestore", "password": true}]}`,
        },
      ],
      notes: [
        "What an agent reads was written by other people and models. Approve what it does after it has read traces.",
        "This is about reading. Sending a coding agent's own traces has not been tried with any agent.",
      ],
      more: "docs/mcp.md",
    },
  ];
}

/** The commands for keys, for readers who are signed in with a key themselves. */
export function keyCommands(base: string, user: string): Step[] {
  const local = /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:|\/|$)/.test(base);
  return [
    {
      label: local
        ? "A token: the local server accepts those of this command"
        : "A token of your identity provider, for instance from a signed-in page of your application",
      code: local ? `TOKEN=$(.venv/bin/tracestore token --user ${shellWord(user)})` : "TOKEN=eyJ…",
    },
    {
      label: "Create a key. Only this response contains the secret",
      code: `curl "${base}/api/keys" -H "Authorization: Bearer $TOKEN" \\
  -d '{"name": "checkout", "scopes": ["ingest"]}'`,
    },
    { label: "List the keys", code: `curl "${base}/api/keys" -H "Authorization: Bearer $TOKEN"` },
    {
      label: "Revoke a key by its key_id. It stops working within 60 seconds",
      code: `curl -X DELETE "${base}/api/keys/KEY_ID" -H "Authorization: Bearer $TOKEN"`,
    },
  ];
}

const shellWord = (text: string): string =>
  /^[\w@.:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
