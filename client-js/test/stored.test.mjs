// What the store contains after the client has sent it. TRACESTORE_ENDPOINT is a local server, and the key may read.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import test from "node:test";

import { generateText, stepCountIs, tool } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import { z } from "zod";

import * as client from "tracestore-client";

const { TRACESTORE_ENDPOINT: base, TRACESTORE_API_KEY: key } = process.env;

async function read(path) {
  const response = await fetch(`${base}${path}`, { headers: { authorization: `Bearer ${key}` } });
  assert.equal(response.status, 200, path);
  return response.json();
}

async function spansOf(traceId) {
  const { trace } = await read(`/api/analytics/traces/${traceId}`);
  const flat = (spans) => spans.flatMap((span) => [span, ...flat(span.children)]);
  return flat(trace.spans);
}

async function sent() {
  assert.equal(await client.flush(), true);
  assert.deepEqual(client.stats().reasons, {});
}

test.before(() => assert.ok(client.configure({ serviceName: "teacher" })));
test.after(() => client.shutdown());

test("a lesson is stored with its calls, and listed as a lesson", async () => {
  const lessonId = randomUUID();
  let traceId;
  const options = { lessonId, request: { topic: "Flüsse" }, userId: "ada" };
  const result = await client.traceLesson(options, async (lesson) => {
    traceId = lesson.traceId;
    const failing = lesson.llmCall({ provider: "openai", model: "gpt-4o-mini", prompt: "Write." }, async () => {
      throw new RangeError("overloaded");
    });
    await failing.catch(() => undefined);
    return lesson.llmCall(
      { provider: "openai", model: "gpt-4o-mini", prompt: "Write.", temperature: 0.3 },
      async (call) => {
        call.respond("Flüsse fließen. 🌊", { model: "gpt-4o-mini-2024-07-18" });
        call.usage({ inputTokens: 12, outputTokens: 3 });
        return { title: "Flüsse" };
      },
    );
  });
  assert.deepEqual(result, { title: "Flüsse" });
  await sent();
  const [root, failed, answered] = await spansOf(traceId);
  assert.deepEqual(
    [root.operation_type, root.lesson_id, root.status, root.service_name, root.end_user_id],
    ["lesson", lessonId, "success", "teacher", "ada"],
  );
  assert.deepEqual([failed.status, failed.error_type, failed.error_message], ["error", "RangeError", "overloaded"]);
  assert.equal(answered.output_data.messages[0].parts[0].text, "Flüsse fließen. 🌊");
  assert.deepEqual([answered.model_provider, answered.input_tokens, answered.output_tokens], ["openai", 12, 3]);
  assert.ok(answered.cost_usd > 0);
  const { traces } = await read(`/api/traces?lesson_id=${lessonId}`);
  assert.equal(traces.length, 1);
  assert.deepEqual(traces[0].request_data, { topic: "Flüsse" });
  assert.deepEqual(traces[0].response_data, { title: "Flüsse" });
});

test("spans of steps have their operations, inputs and outputs", async () => {
  let traceId;
  client.trace("agent.run", { operation: "agent", conversationId: "chat-42", input: "Rain?" }, (agent) => {
    traceId = agent.traceId;
    client.span("weather", { operation: "tool", input: { city: "Lisbon" } }, () => ({ degrees: 18 }));
    return "No.";
  });
  await sent();
  const [agent, weather] = await spansOf(traceId);
  assert.deepEqual([agent.operation_type, agent.conversation_id], ["agent", "chat-42"]);
  assert.deepEqual(
    [weather.operation_type, weather.tool_name, weather.parent_span_id],
    ["tool_call", "weather", agent.span_id],
  );
  assert.match(JSON.stringify([weather.input_data, weather.output_data]), /Lisbon.*18/);
});

test("a flat span is stored with the fields that were sent, and can be a parent", async () => {
  const first = client.captureTrace({
    trace_id: `trip-${randomUUID()}`,
    span_name: "agent.run",
    operation_type: "agent",
    input_data: { question: "Rain?" },
    metadata: { attempt: 1 },
    start_time: new Date("2026-01-02T10:00:00Z"),
    end_time: "2026-01-02T10:00:01.500Z",
    conversation_id: null,
  });
  const second = client.captureTrace({
    trace_id: first.trace_id,
    parent_trace_id: first.span_id,
    span_name: "llm.completion",
    operation_type: "completion",
    model_name: "gpt-4o-mini",
    model_provider: "openai",
    input_tokens: 10,
    output_tokens: 20,
    duration_ms: 800,
    status: "error",
    error_message: "cut off",
  });
  await sent();
  const [root, call] = await spansOf(first.trace_id);
  assert.deepEqual(
    [root.span_id, root.start_time, root.duration_ms, root.service_name, root.metadata, root.input_data],
    [first.span_id, "2026-01-02T10:00:00.000Z", 1500, "teacher", { attempt: 1 }, { question: "Rain?" }],
  );
  assert.deepEqual(
    [call.span_id, call.parent_span_id, call.total_tokens, call.duration_ms, call.status, call.error_message],
    [second.span_id, first.span_id, 30, 800, "error", "cut off"],
  );
});

test("a flat span inside a step is the child of the step", async () => {
  let traceId;
  const ids = client.trace("outer", (step) => {
    traceId = step.traceId;
    return client.captureTrace({ span_name: "inner" });
  });
  assert.equal(ids.trace_id, traceId);
  await sent();
  assert.deepEqual(
    (await spansOf(traceId)).map((span) => span.span_name),
    ["outer", "inner"],
  );
});

test("more flat spans than fit into one request are all stored", async () => {
  const { trace_id } = client.captureTrace({ span_name: "first" });
  for (let number = 1; number < 600; number++) client.captureTrace({ trace_id, span_name: `span ${number}` });
  await sent();
  assert.equal((await spansOf(trace_id)).length, 600);
});

test("a flat span with a field that the store refuses is counted as dropped", async () => {
  const before = client.dropped();
  client.captureTrace({ span_name: "refused", temprature: 0.3 });
  assert.equal(await client.flush(), true);
  assert.equal(client.dropped() - before, 1);
  client.configure({ serviceName: "teacher" }); // so that the counts start again
});

test("the AI SDK's telemetry arrives inside the lesson", async () => {
  const usage = {
    inputTokens: { total: 10, noCache: 10, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: 5, text: 5, reasoning: 0 },
  };
  const answers = [
    {
      content: [{ type: "tool-call", toolCallId: "call-1", toolName: "weather", input: '{"city":"Lisbon"}' }],
      finishReason: { unified: "tool-calls", raw: "tool_calls" },
      usage,
      warnings: [],
    },
    {
      content: [{ type: "text", text: "It is dry." }],
      finishReason: { unified: "stop", raw: "stop" },
      usage,
      warnings: [],
    },
  ];
  const model = new MockLanguageModelV3({
    provider: "openai.chat",
    modelId: "gpt-4o-mini",
    doGenerate: async () => answers.shift(),
  });
  let traceId;
  const { text } = await client.traceLesson({ lessonId: "ai-sdk", request: { topic: "rain" } }, async (lesson) => {
    traceId = lesson.traceId;
    return generateText({
      model,
      prompt: "Is it raining in Lisbon?",
      tools: {
        weather: tool({ inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => `dry in ${city}` }),
      },
      stopWhen: stepCountIs(3),
      experimental_telemetry: { isEnabled: true, functionId: "weather-bot" },
    });
  });
  assert.equal(text, "It is dry.");
  await sent();
  const spans = await spansOf(traceId);
  assert.deepEqual(spans.map((span) => span.operation_type).sort(), [
    "chain",
    "completion",
    "completion",
    "lesson",
    "tool_call",
  ]);
  const calls = spans.filter((span) => span.operation_type === "completion");
  assert.deepEqual(
    calls.map((span) => [span.model_name, span.input_tokens, span.output_tokens]),
    [
      ["gpt-4o-mini", 10, 5],
      ["gpt-4o-mini", 10, 5],
    ],
  );
  assert.match(JSON.stringify(calls[0].input_data), /Is it raining in Lisbon/);
  const { trace } = await read(`/api/analytics/traces/${traceId}`);
  assert.equal(trace.summary.total_tokens, 30);
});
