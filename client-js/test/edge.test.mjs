// Edge runtimes: the package, bundled as for them, in a context that has only what the web platform has.
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import test from "node:test";
import vm from "node:vm";

import { build } from "esbuild";

const { TRACESTORE_ENDPOINT: base, TRACESTORE_API_KEY: key } = process.env;

const WEB = [
  "AbortController",
  "AbortSignal",
  "Blob",
  "CompressionStream",
  "Headers",
  "Request",
  "Response",
  "ReadableStream",
  "TextDecoder",
  "TextEncoder",
  "URL",
  "URLSearchParams",
  "clearInterval",
  "clearTimeout",
  "console",
  "crypto",
  "fetch",
  "performance",
  "queueMicrotask",
  "setInterval",
  "setTimeout",
  "structuredClone",
  "Uint8Array",
  "ArrayBuffer",
];

/** The result of code in an edge runtime, where `client` is the package. */
async function onTheEdge(code, globals = {}) {
  const bundle = await build({
    stdin: { contents: `export * from "tracestore-client";`, resolveDir: new URL("..", import.meta.url).pathname },
    bundle: true,
    write: false,
    format: "iife",
    globalName: "client",
    platform: "browser", // a Node module in the bundle is an error
    conditions: ["edge-light"],
    mainFields: ["browser", "module", "main"],
    logLevel: "silent",
  });
  const context = vm.createContext({ ...Object.fromEntries(WEB.map((name) => [name, globalThis[name]])), ...globals });
  return vm.runInContext(`${bundle.outputFiles[0].text}\n(async () => { ${code} })()`, context);
}

const settings = JSON.stringify({ endpoint: base, apiKey: key, serviceName: "edge" });
const PROGRAM = `
  client.configure(${settings});
  let ids;
  await client.traceLesson({ lessonId: "edge", request: { topic: "rivers" } }, async (lesson) => {
    ids = [lesson.traceId];
    await lesson.llmCall({ model: "gpt-4o-mini", prompt: "Hi" }, async (call) => call.respond("Hello"));
    await new Promise((resolve) => setTimeout(resolve, 1));
    client.span("by context", () => 1);
  });
  ids.push(client.captureTrace({ span_name: "flat" }).trace_id);
  await client.flush();
  return { ids, stats: client.stats() };`;

async function spansOf(traceId) {
  const response = await fetch(`${base}/api/analytics/traces/${traceId}`, {
    headers: { authorization: `Bearer ${key}` },
  });
  const { trace } = await response.json();
  const flat = (spans) => spans.flatMap((span) => [span.span_name, ...flat(span.children)]);
  return flat(trace.spans);
}

test("a runtime with AsyncLocalStorage traces as Node does", async () => {
  const { ids, stats } = await onTheEdge(PROGRAM, { AsyncLocalStorage });
  assert.deepEqual([stats.sent, stats.dropped], [4, 0]);
  assert.deepEqual(await spansOf(ids[0]), ["lesson", "chat gpt-4o-mini", "by context"]);
  assert.deepEqual(await spansOf(ids[1]), ["flat"]);
});

test("a runtime without it nests the steps of a lesson, and cannot compress or nest others", async () => {
  class CompressionStream {
    constructor() {
      throw new Error("A Node.js API is used which is not supported in the Edge Runtime.");
    }
  }
  const { ids, stats } = await onTheEdge(PROGRAM, { CompressionStream });
  assert.deepEqual([stats.sent, stats.dropped], [4, 0]);
  assert.deepEqual(await spansOf(ids[0]), ["lesson", "chat gpt-4o-mini"]);
});

test("a store in trouble does no harm", async () => {
  const limits = JSON.stringify({ exportTimeoutMs: 300 });
  const code = `
    const logger = { warn() {}, error() {} };
    client.configure({ endpoint: "http://127.0.0.1:9", apiKey: "tsk_x", limits: ${limits}, logger });
    const result = await client.trace("t", async () => "made");
    return [result, await client.flush(), client.dropped()];`;
  assert.deepEqual([...(await onTheEdge(code))], ["made", true, 1]);
});
