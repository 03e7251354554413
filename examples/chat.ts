// A chat of two turns in TypeScript, one answered and one failed, sent with plain fetch: no package is needed.
//
// Needs TRACESTORE_ENDPOINT and TRACESTORE_API_KEY, and Node 22.18 or later, which runs TypeScript as it is:
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

/** What the model says; a span tells of the call, also when it fails. */
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
    const answer = await fetch(`${models}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${process.env.OPENAI_API_KEY}` },
      body: JSON.stringify({ model, messages, temperature: 0.2 }),
    });
    if (!answer.ok) throw new Error(`The model answered ${answer.status}.`);
    const reply = (await answer.json()) as Reply;
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
    waiting.push(send(span));
  }
}

/** Sends one span. A store that does not answer costs two seconds at the end, and nothing else. */
async function send(span: Record<string, unknown>): Promise<void> {
  try {
    const answer = await fetch(`${store}/api/analytics/traces`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${storeKey}` },
      body: JSON.stringify(span),
      signal: AbortSignal.timeout(2_000),
    });
    if (!answer.ok) console.warn(`A span was not stored: ${answer.status}`);
  } catch (failure) {
    console.warn(`A span was not stored: ${failure}`);
  }
}

const waiting: Promise<void>[] = [];
console.log(await ask("Is it raining in Lisbon?", "gpt-4o-mini"));
try {
  await ask("And in Porto?", "no-such-model");
} catch (failure) {
  console.log(`No answer: ${failure}`);
}
await Promise.all(waiting); // before the process ends, or a Lambda function returns
