// Delivery: the store's state never affects the application's time, memory and results.
import assert from "node:assert/strict";
import test from "node:test";
import { gunzipSync } from "node:zlib";

import { trace as otel } from "@opentelemetry/api";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";

import * as client from "tracestore-client";

import { configureFor, logged, QUICK, storeFor, troubles } from "./helpers.mjs";

const CALLS = 200;

/** A lesson of one model call: two spans. */
function lesson(number = 0) {
  client.traceLesson({ lessonId: `lesson-${number}`, request: { topic: "rivers", level: 3 } }, (step) => {
    step.llmCall({ provider: "openai", model: "gpt-4o-mini", prompt: "Write about rivers. ".repeat(50) }, (call) => {
      call.respond("Rivers flow. ".repeat(100));
      call.usage({ inputTokens: 200, outputTokens: 300 });
    });
    step.response = { title: "Rivers", sections: ["Source", "Mouth"] };
  });
}

/** The median time of a lesson: other work on the machine may have delayed single ones. */
async function typicalMs() {
  const durations = [];
  for (let number = 0; number < CALLS; number++) {
    const began = performance.now();
    lesson(number);
    durations.push(performance.now() - began);
    if (number % 10 === 0) await new Promise(setImmediate);
  }
  return durations.sort((a, b) => a - b)[CALLS / 2];
}

for (const [trouble, start] of Object.entries(troubles)) {
  test(`a span costs less than a millisecond while the store is ${trouble}`, async (t) => {
    configureFor(t, await start(t), { limits: QUICK });
    assert.ok((await typicalMs()) / 2 < 1);
  });

  test(`spans that cannot be sent are counted while the store is ${trouble}`, async (t) => {
    configureFor(t, await start(t), { limits: QUICK });
    lesson();
    client.captureTrace({ span_name: "captured" });
    assert.equal(await client.flush(5_000), true);
    assert.equal(client.dropped(), 3);
    assert.ok(logged.length > 0);
  });

  test(`sending costs little processor time while the store is ${trouble}`, async (t) => {
    configureFor(t, await start(t), { limits: QUICK });
    for (let number = 0; number < 100; number++) lesson(number);
    const began = process.cpuUsage(); // not the time on the clock, which depends on the other work of the machine
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { user, system } = process.cpuUsage(began);
    assert.ok(user + system < 250_000, `${user + system} µs`);
  });
}

for (const status of [400, 401, 403, 413, 429, 500, 503]) {
  test(`spans that the store refuses with ${status} are counted and throw nothing`, async (t) => {
    const store = await storeFor(t);
    store.status = status;
    configureFor(t, store.base, { limits: QUICK });
    lesson();
    client.captureTrace({ span_name: "captured" });
    assert.equal(await client.flush(5_000), true);
    assert.equal(client.stats().dropped, 3);
    assert.match(Object.keys(client.stats().reasons)[0], new RegExp(`^HTTP ${status}`));
  });
}

test("drops are logged once", async (t) => {
  const store = await storeFor(t);
  store.status = 401;
  configureFor(t, store.base, { limits: QUICK });
  for (let number = 0; number < 5; number++) {
    lesson(number);
    await client.flush(5_000);
  }
  assert.equal(logged.length, 1);
  assert.match(logged[0], /HTTP 401: check the API key/);
});

test("a logger that throws or traces does no harm", async (t) => {
  const logger = {
    warn: () => {
      lesson();
      throw new Error("no log");
    },
    error: () => undefined,
  };
  configureFor(t, await troubles.hanging(t), { limits: { maxQueueSpans: 1 }, logger });
  lesson();
  assert.equal(client.dropped(), 3);
});

test("a throttled request is repeated", async (t) => {
  const store = await storeFor(t);
  store.status = 503;
  store.headers["retry-after"] = "0";
  configureFor(t, store.base);
  lesson();
  const flushed = client.flush(5_000);
  while (store.requests.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  store.status = 200;
  assert.equal(await flushed, true);
  assert.deepEqual([client.stats().sent, client.dropped()], [2, 0]);
});

test("a busy server that asks for no pause is not flooded", async (t) => {
  const store = await storeFor(t);
  store.status = 503;
  store.headers["retry-after"] = "0";
  configureFor(t, store.base, { limits: QUICK });
  lesson();
  assert.equal(await client.flush(5_000), true);
  assert.equal(client.dropped(), 2);
  assert.ok(store.requests.length > 1 && store.requests.length <= 8, `${store.requests.length} requests`);
});

test("every span is counted", async (t) => {
  const store = await storeFor(t);
  configureFor(t, store.base, { limits: { maxQueueSpans: 50, batchSpans: 20 } });
  await typicalMs();
  assert.equal(await client.flush(10_000), true);
  assert.equal(client.stats().sent + client.dropped(), 2 * CALLS);
  assert.ok(client.stats().sent > 50);
});

test("the queue has a limit of spans", async (t) => {
  configureFor(t, await troubles.hanging(t), { limits: { maxQueueSpans: 10 } });
  for (let number = 0; number < 50; number++) lesson(number);
  assert.deepEqual([client.stats().queued, client.dropped()], [10, 90]);
});

test("the queue has a limit of bytes, also for captured spans and while a batch is being sent", async (t) => {
  const limits = { maxQueueBytes: 1_000_000, maxValueCharacters: 50_000, batchSpans: 5, intervalMs: 1 };
  configureFor(t, await troubles.hanging(t), { limits });
  for (let number = 0; number < 100; number++) {
    client.span("heavy", { input: "x".repeat(1_000_000) }, () => undefined);
    client.captureTrace({ span_name: "heavy", input_data: "x".repeat(1_000_000) });
    await new Promise(setImmediate);
  }
  const { queuedBytes, dropped, queued } = client.stats();
  assert.ok(queuedBytes <= limits.maxQueueBytes);
  assert.ok(queued >= 5);
  assert.equal(queued + dropped, 200);
});

test("long values of other tracers are cut with a note", async (t) => {
  const store = await storeFor(t);
  configureFor(t, store.base, { limits: { maxValueCharacters: 100 } });
  otel.getTracer("theirs").startActiveSpan("theirs", (span) => {
    span.setAttributes({ long: "x".repeat(10_000), short: "y" });
    span.end();
  });
  await client.flush();
  const sent = gunzipSync(store.requests[0].body).toString();
  assert.ok(sent.includes(`${"x".repeat(100)}… [cut: 10000 characters]`) && sent.length < 2_000);
});

test("only the span that is too large after cutting is dropped", async (t) => {
  const store = await storeFor(t);
  configureFor(t, store.base, { limits: { maxSpanBytes: 10_000 } });
  otel.getTracer("theirs").startActiveSpan("theirs", (span) => {
    for (let number = 0; number < 100; number++) span.setAttribute(`many.${number}`, "x");
    span.end();
  });
  lesson();
  await client.flush();
  assert.deepEqual([client.stats().sent, client.stats().reasons], [2, { "a single span is too large": 1 }]);
});

test("a batch that is too large is sent in halves", async (t) => {
  const store = await storeFor(t);
  store.status = 413;
  configureFor(t, store.base);
  lesson();
  lesson();
  await client.flush();
  assert.equal(store.requests.length, 7); // of 4, 2, 1, 1, 2, 1, 1 spans
});

test("spans that the store rejects are counted", async (t) => {
  const store = await storeFor(t);
  store.body = Buffer.from([0x0a, 0x02, 0x08, 0x01]); // partial_success { rejected_spans: 1 }
  configureFor(t, store.base);
  lesson();
  await client.flush();
  assert.deepEqual([client.stats().sent, client.dropped()], [1, 1]);
  store.headers["content-type"] = "application/json";
  store.body = '{"success": true, "data": [], "rejected": [{"index": 0}]}';
  client.captureTrace({ span_name: "refused" });
  client.captureTrace({ span_name: "accepted" });
  await client.flush();
  assert.deepEqual([client.stats().sent, client.dropped()], [2, 2]);
});

const NO_STORES = {
  "a page": [200, { "content-type": "text/html" }, "<html>Sign in</html>"],
  "a redirect": [302, { location: "/login" }, ""],
  "not protobuf": [200, { "content-type": "application/x-protobuf" }, Buffer.alloc(50, 0xff)],
};

for (const [name, [status, headers, body]] of Object.entries(NO_STORES)) {
  test(`a response that is not from a store counts as a failure: ${name}`, async (t) => {
    const store = await storeFor(t);
    Object.assign(store, { status, headers, body });
    configureFor(t, store.base, { limits: QUICK });
    lesson();
    client.captureTrace({ span_name: "captured" });
    await client.flush();
    assert.deepEqual([client.stats().sent, client.dropped()], [0, 3]);
  });
}

test("only the beginning of a large response is read", async (t) => {
  const store = await storeFor(t);
  store.body = Buffer.alloc(50_000_000, "x");
  configureFor(t, store.base);
  const before = process.memoryUsage().rss;
  lesson();
  await client.flush();
  assert.ok(process.memoryUsage().rss - before < 60_000_000); // of this server's own writes
  assert.equal(client.dropped(), 2);
});

test("only its own credential is sent", async (t) => {
  process.env.OTEL_EXPORTER_OTLP_HEADERS = "x-other-vendor=secret";
  t.after(() => delete process.env.OTEL_EXPORTER_OTLP_HEADERS);
  const store = await storeFor(t);
  configureFor(t, store.base);
  lesson();
  await client.flush();
  const [{ url, headers }] = store.requests;
  assert.deepEqual(
    [url, headers.authorization, headers["x-other-vendor"]],
    ["/v1/traces", "Bearer tsk_test", undefined],
  );
});

test("a shutdown waits for a hanging store no longer than its timeout", async (t) => {
  configureFor(t, await troubles.hanging(t));
  lesson();
  const began = performance.now();
  assert.equal(await client.shutdown(100), false);
  assert.ok(performance.now() - began < 5_000); // an export that is not cut takes ten seconds
  assert.equal(client.dropped(), 2);
});

test("spans that end after a shutdown are counted", async (t) => {
  const store = await storeFor(t);
  configureFor(t, store.base);
  assert.equal(await client.shutdown(), true);
  lesson();
  assert.deepEqual(client.stats().reasons, { "tracing was shut down": 2 });
});

test("a flush that times out resolves to false", async (t) => {
  configureFor(t, await troubles.hanging(t));
  lesson();
  assert.equal(await client.flush(10), false);
});

test("the request after a failed one succeeds", async (t) => {
  const store = await storeFor(t);
  configureFor(t, store.base, { limits: QUICK });
  store.status = 500;
  lesson();
  await client.flush();
  store.status = 200;
  lesson();
  await client.flush();
  assert.deepEqual([client.stats().sent, client.dropped()], [2, 2]);
});

test("a new configuration sends what the old one has queued to the old store", async (t) => {
  const [first, second] = [await storeFor(t), await storeFor(t)];
  configureFor(t, first.base);
  lesson();
  configureFor(t, second.base);
  lesson();
  await client.flush();
  while (!first.requests.length) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual([first.requests.length, second.requests.length], [1, 1]);
});

test("a handler returns after its spans are sent, and waits for a hanging store only once", async (t) => {
  const store = await storeFor(t);
  configureFor(t, store.base, { limits: { intervalMs: 60_000 } });
  const handler = client.flushAfter(async (event) => {
    lesson();
    return event;
  }, 1_000);
  assert.equal(await handler("done"), "done");
  assert.equal(client.stats().sent, 2);
  configureFor(t, await troubles.hanging(t));
  const took = [];
  for (let call = 0; call < 5; call++) {
    const began = performance.now();
    await handler("done");
    took.push(performance.now() - began);
  }
  assert.ok(took[0] >= 990);
  assert.ok(took.slice(1).reduce((sum, ms) => sum + ms) < 1_000);
});

// The last test: it changes which provider the package uses.
test("an application's own provider sends through the span processor, and to its other exporters", async (t) => {
  const store = await storeFor(t);
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({
    spanProcessors: [client.spanProcessor(), new SimpleSpanProcessor(exporter)],
  });
  otel.disable();
  otel.setGlobalTracerProvider(provider);
  configureFor(t, store.base);
  lesson();
  otel.getTracer("theirs").startActiveSpan("theirs", (span) => span.end());
  await provider.forceFlush();
  assert.equal(client.stats().sent, 3);
  assert.equal(exporter.getFinishedSpans().length, 3);
  assert.ok(gunzipSync(store.requests[0].body).includes("service.name"));
});
