// Whole processes: exit, start without code changes, both forms of the package, and failures of the application.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import test from "node:test";

import { storeFor, troubles } from "./helpers.mjs";

/** Runs a program. Resolves to its exit code, its output and its time. */
function run(endpoint, args, variables = {}) {
  const environment = Object.entries(process.env).filter(([name]) => !/^(OTEL|TRACESTORE|NODE_)/.test(name));
  const env = {
    ...Object.fromEntries(environment),
    TRACESTORE_ENDPOINT: endpoint,
    TRACESTORE_API_KEY: "tsk_test",
    ...variables,
  };
  const began = performance.now();
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      args,
      { env, timeout: 60_000, cwd: new URL("..", import.meta.url) },
      (failure, stdout, stderr) =>
        resolve({ code: failure ? failure.code : 0, stdout, stderr, ms: performance.now() - began }),
    );
  });
}

const module = (code) => ["--input-type=module", "-e", `import * as client from "tracestore-client";\n${code}`];
const commonjs = (code) => ["--input-type=commonjs", "-e", `const client = require("tracestore-client");\n${code}`];
const LESSON = `client.configure(); client.traceLesson({ lessonId: "1" }, () => "made");`;

for (const [form, program] of Object.entries({ "an ES module": module, CommonJS: commonjs })) {
  test(`queued spans are sent when the work of ${form} is done`, async (t) => {
    const store = await storeFor(t);
    const { code, stderr } = await run(store.base, program(LESSON));
    assert.deepEqual([code, stderr, store.requests.length], [0, "", 1]);
  });
}

test("both forms of the package in one process send through one queue", async (t) => {
  const store = await storeFor(t);
  const code = `
    import { createRequire } from "node:module";
    client.configure();
    createRequire(process.cwd() + "/x.js")("tracestore-client").trace("t", () => 1);
    client.trace("t", () => 1);
    await client.flush();
    console.log(client.stats().sent);`;
  const { stdout, stderr } = await run(store.base, module(code));
  assert.deepEqual([stdout, stderr, store.requests.length], ["2\n", "", 1]);
});

test("a hanging store delays the exit no longer than the timeout", async (t) => {
  const code = LESSON.replace("configure()", "configure({ limits: { exitTimeoutMs: 500 } })");
  const { code: status, stderr, ms } = await run(await troubles.hanging(t), module(code));
  assert.equal(status, 0);
  assert.ok(ms < 500 + 2_500, `${ms} ms`);
  assert.equal(stderr.split("\n").length, 2); // one log line, about the drops
});

test("a request that is being sent does not keep the process alive either", async (t) => {
  const code = `${LESSON.replace("configure()", "configure({ limits: { exitTimeoutMs: 500, intervalMs: 1 } })")}
    await new Promise((resolve) => setTimeout(resolve, 200));`;
  const { code: status, ms } = await run(await troubles.hanging(t), module(code));
  assert.equal(status, 0);
  assert.ok(ms < 700 + 2_500, `${ms} ms`);
});

test("a program that has nothing to send ends at once", async (t) => {
  const { ms } = await run(await troubles.hanging(t), module("client.configure();"));
  assert.ok(ms < 2_500, `${ms} ms`);
});

test("process.exit after a shutdown loses nothing", async (t) => {
  const store = await storeFor(t);
  await run(store.base, module(`${LESSON} await client.shutdown(); process.exit(0);`));
  assert.equal(store.requests.length, 1);
});

test("a program can be traced by the environment alone", async (t) => {
  const store = await storeFor(t);
  const code = `import { trace } from "@opentelemetry/api"; trace.getTracer("t").startSpan("s").end();`;
  const program = ["--import", "tracestore-client/auto", "--input-type=module", "-e", code];
  const { code: status, stderr } = await run(store.base, program, { OTEL_SERVICE_NAME: "by-environment" });
  assert.deepEqual([status, stderr, store.requests.length], [0, "", 1]);
});

test("a rejection that nobody handles ends the process, as without tracing", async (t) => {
  const store = await storeFor(t);
  const code = `client.configure(); client.span("s", () => Promise.reject(new Error("unhandled")));`;
  const { code: status, stderr } = await run(store.base, module(code));
  assert.equal(status, 1);
  assert.match(stderr, /Error: unhandled/);
});
