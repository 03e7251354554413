// A chat with two turns in TypeScript: one succeeds and one fails. Spans are sent with plain fetch, without a package.
//
// It needs TRACESTORE_ENDPOINT, TRACESTORE_API_KEY and Node 22.18 or later, which runs TypeScript without a build:
// `node examples/chat.ts`. `make examples ARGS=chat.ts` runs it offline.

const store = process.env.TRACESTORE_ENDPOINT;
const storeKey = process.env.TRACESTORE_API_KEY;
const models = process.env.OPENAI_BASE_URL ?? "https://api.openai.com/v1";

type Message = { role: "system" | "user" | "assistant"; content: string };
type Reply = {
  model: string;
  choices: { message: Message }[];
  usage: { prompt_tokens: number; completion_tokens: number; prompt_tokens_details?: { cached_tokens?: number } };
};

/** Asks the model and returns its answer. A span records the call, even when it fails. */
async function ask(question: string, model: string): Promise<string> {
  const messages: Message[] = [
    { role: "system", content: "Answer in one sentence." },
    { role: "user", content: question },
  ];
  const span: Record<string, unknown> = {
    trace_id: crypto.randomUUID().replaceAll("-", ""),
    span_id: crypto.randomUUID().replaceAll("-", "").slice(16),
    span_name: `chat ${model}`,
    operation_type: "completion",
    model_provider: "openai",
    model_name: model,
    service_name: "chat-example-ts",
    conversation_id: "chat-44",
    start_time: new Date().toISOString(),
    input_data: { messages },
    metadata: { temperature: 0.2 },
  };
  try {
    const response = await fetch(`${models}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${process.env.OPENAI_API_KEY}` },
      body: JSON.stringify({ model, messages, temperature: 0.2 }),
    });
    if (!response.ok) throw new Error(`The model's API returned HTTP ${response.status}.`);
    const reply = (await response.json()) as Reply;
    span.model_name = reply.model;
    span.output_data = { messages: [reply.choices[0].message] };
    span.input_tokens = reply.usage.prompt_tokens;
    span.output_tokens = reply.usage.completion_tokens;
    span.cached_input_tokens = reply.usage.prompt_tokens_details?.cached_tokens;
    span.status = "success";
    return reply.choices[0].message.content;
  } catch (failure) {
    span.status = "error";
    span.error_type = failure instanceof Error ? failure.name : "Error";
    span.error_message = String(failure);
    throw failure;
  } finally {
    span.end_time = new Date().toISOString();
    pendingSends.push(send(span));
  }
}

/** Sends one span. If the store does not respond, the only effect is a delay of two seconds at the program's end. */
async function send(span: Record<string, unknown>): Promise<void> {
  try {
    const response = await fetch(`${store}/api/analytics/traces`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${storeKey}` },
      body: JSON.stringify(span),
      signal: AbortSignal.timeout(2_000),
    });
    if (!response.ok) console.warn(`A span was not stored: HTTP ${response.status}`);
  } catch (failure) {
    console.warn(`A span was not stored: ${failure}`);
  }
}

const pendingSends: Promise<void>[] = [];
console.log(await ask("Is it raining in Lisbon?", "gpt-4o-mini"));
try {
  await ask("And in Porto?", "no-such-model");
} catch (failure) {
  console.log(`The request failed: ${failure}`);
}
await Promise.all(pendingSends); // before the process ends or a Lambda function returns
