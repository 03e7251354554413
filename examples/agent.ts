// An agent in TypeScript that lets the model call two tools, of which one fails. Each step is a span: it is stored when
// the step begins, and changed when the step ends. Spans are sent with plain fetch, without a package.
//
// It needs TRACESTORE_ENDPOINT, TRACESTORE_API_KEY and Node 22.18 or later, which runs TypeScript without a build:
// `node examples/agent.ts`. `make examples ARGS=agent.ts` runs it offline.

const store = process.env.TRACESTORE_ENDPOINT;
const storeKey = process.env.TRACESTORE_API_KEY;
const models = process.env.OPENAI_BASE_URL ?? "https://api.openai.com/v1";

type Fields = Record<string, unknown>;
type SpanId = string | undefined;
type ToolCall = { id: string; function: { name: string; arguments: string } };
type Message = { role: string; content: string | null; tool_calls?: ToolCall[]; tool_call_id?: string };
type Reply = {
  model: string;
  choices: { message: Message }[];
  usage: { prompt_tokens: number; completion_tokens: number };
};

const traceId = crypto.randomUUID().replaceAll("-", "");

/**
 * Runs one step of the agent as a span below `parent`, and returns the step's result.
 *
 * `work` is given the id of the span, and an object for the fields that are known at the end. An exception ends the
 * span with the error, and is thrown on.
 */
async function traced<Result>(
  span: Fields,
  parent: SpanId,
  work: (spanId: SpanId, ended: Fields) => Promise<Result>,
): Promise<Result> {
  // The server creates the span's id. Both times are those of this computer, so that they fit together.
  const started = { trace_id: traceId, parent_trace_id: parent, start_time: new Date().toISOString(), ...span };
  const spanId: SpanId = (await send("POST", "/api/analytics/traces", started))?.span_id;
  const ended: Fields = {};
  try {
    return await work(spanId, ended);
  } catch (failure) {
    ended.error_type = failure instanceof Error ? failure.name : "Error";
    ended.error_message = String(failure);
    throw failure;
  } finally {
    ended.end_time = new Date().toISOString();
    if (spanId) await send("PATCH", `/api/analytics/traces/${traceId}/spans/${spanId}`, ended);
  }
}

/** Sends a span or a change, and returns the stored span. If the store does not respond, the agent goes on without. */
async function send(method: string, path: string, body: Fields): Promise<{ span_id: string } | undefined> {
  try {
    const response = await fetch(`${store}${path}`, {
      method,
      headers: { "content-type": "application/json", authorization: `Bearer ${storeKey}` },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(2_000),
    });
    if (response.ok) return ((await response.json()) as { data: { span_id: string } }).data;
    console.warn(`A span was not stored: HTTP ${response.status}`);
  } catch (failure) {
    console.warn(`A span was not stored: ${failure}`);
  }
}

const tools: Record<string, (city: string) => Promise<unknown>> = {
  weather: async (city) => ({ city, celsius: 18, sky: "dry" }),
  air_quality: async (city) => {
    throw new Error(`The station of ${city} does not respond.`);
  },
};
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const toolDefinitions = Object.keys(tools).map((name) => ({ type: "function", function: { name, parameters } }));

/** Answers a question with the help of the model and the tools. */
function plan(question: string): Promise<string> {
  const span = {
    span_name: "day planner",
    operation_type: "agent",
    service_name: "agent-example-ts",
    conversation_id: "chat-45",
    input_data: { question },
  };
  return traced(span, undefined, async (agentId, ended) => {
    const messages: Message[] = [
      { role: "system", content: "Plan days." },
      { role: "user", content: question },
    ];
    while (true) {
      const { message, spanId } = await ask(messages, agentId);
      if (!message.tool_calls) {
        ended.output_data = { answer: message.content };
        return message.content ?? "";
      }
      messages.push(message);
      for (const call of message.tool_calls) {
        const result = await callTool(call, spanId);
        messages.push({ role: "tool", tool_call_id: call.id, content: JSON.stringify(result) });
      }
    }
  });
}

/** Asks the model. Returns its message and the id of the span, which is the parent of the tools that it calls. */
function ask(messages: Message[], parent: SpanId): Promise<{ message: Message; spanId: SpanId }> {
  const model = "gpt-4o-mini";
  const span = {
    span_name: `chat ${model}`,
    operation_type: "completion",
    model_provider: "openai",
    model_name: model,
    input_data: { messages },
  };
  return traced(span, parent, async (spanId, ended) => {
    const response = await fetch(`${models}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${process.env.OPENAI_API_KEY}` },
      body: JSON.stringify({ model, messages, tools: toolDefinitions }),
    });
    if (!response.ok) throw new Error(`The model's API returned HTTP ${response.status}.`);
    const reply = (await response.json()) as Reply;
    const message = reply.choices[0].message;
    ended.model_name = reply.model;
    ended.output_data = { messages: [message] };
    ended.input_tokens = reply.usage.prompt_tokens;
    ended.output_tokens = reply.usage.completion_tokens;
    return { message, spanId };
  });
}

/** Returns the result of a tool, or its error message: the model can continue with either. */
async function callTool(call: ToolCall, parent: SpanId): Promise<unknown> {
  const { name } = call.function;
  const input: { city: string } = JSON.parse(call.function.arguments);
  const span = { span_name: name, operation_type: "tool_call", tool_name: name, input_data: input };
  try {
    return await traced(span, parent, async (_, ended) => {
      const result = await tools[name](input.city);
      ended.output_data = result;
      return result;
    });
  } catch (failure) {
    return { error: String(failure) };
  }
}

console.log(await plan("Can I walk through Lisbon today?"));
