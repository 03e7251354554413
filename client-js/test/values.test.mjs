// Any value becomes JSON within a limit, and settings are checked.
import assert from "node:assert/strict";
import test from "node:test";

import { configure } from "tracestore-client";

import { messages } from "../dist/esm/messages.js";
import { read } from "../dist/esm/settings.js";
import { asJson, asText, cut, MAX_NODES } from "../dist/esm/values.js";

class Client {
  apiKey = "secret";
}

const cycle = {};
cycle.self = cycle;

const CASES = [
  ["plain values", { a: [1, "x", true, null], b: undefined }, { a: [1, "x", true, null] }],
  ["a date", { at: new Date(0) }, { at: "1970-01-01T00:00:00.000Z" }],
  ["an invalid date", [new Date(NaN)], ["Invalid Date"]],
  ["numbers that JSON lacks", [NaN, Infinity], ["NaN", "Infinity"]],
  ["a map and a set", [new Map([["a", 1]]), new Set([1])], [{ a: 1 }, [1]]],
  ["bytes", [new Uint8Array(3), Buffer.from("ab")], ["[3 bytes]", "[2 bytes]"]],
  ["an error", [new TypeError("wrong")], ["wrong"]],
  ["a client", { client: new Client() }, { client: "<Client>" }],
  ["a function", [function work() {}], ["<function work>"]],
  ["an object with its own toJSON", { toJSON: () => "x", a: 1 }, { toJSON: "<function toJSON>", a: 1 }],
  ["a URL", [new URL("https://example.com/a")], ["https://example.com/a"]],
  ["a lone surrogate", ["\ud800x"], ["\ufffdx"]],
  ["text that looks like an escape", ["\\ud800"], ["\\ud800"]],
  ["an object without a prototype", Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
];

for (const [name, value, expected] of CASES) {
  test(`${name} can be recorded`, () => assert.deepEqual(JSON.parse(asJson(value)), expected));
}

test("a large integer keeps its digits", () => assert.equal(asJson([2n ** 70n]), "[1180591620717411303424]"));

test("a getter that throws affects only itself", () => {
  const value = Object.defineProperty({ a: 1 }, "b", {
    enumerable: true,
    get() {
      throw new RangeError("no");
    },
  });
  assert.deepEqual(JSON.parse(asJson(value)), { a: 1, b: "[unreadable: RangeError]" });
});

test("a proxy that throws is described", () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  assert.equal(JSON.parse(asJson(proxy)), "[unreadable: TypeError]");
});

test("cycles and deep values end", () => {
  let deep = {};
  for (let level = 0; level < 10_000; level++) deep = { deep };
  for (const value of [cycle, deep]) assert.match(asJson(value), /cut: too deep/);
});

test("long values are cut with a note", () => {
  assert.equal(cut("x".repeat(20), 10), "xxxxxxxxxx… [cut: 20 characters]");
  assert.equal(asText("x".repeat(20), 10), "xxxxxxxxxx… [cut: 20 characters]");
  const many = JSON.parse(asJson(Array.from({ length: 100_000 }, (_, number) => number)));
  assert.equal(many.at(-1), `… [cut: ${100_000 - many.length + 1} more]`);
  assert.ok(many.length <= MAX_NODES + 1);
  assert.ok(asJson({ a: "x".repeat(1_000), b: "y".repeat(1_000), c: 1 }, 1_500).length < 1_700);
});

test("a model's input becomes messages with parts", () => {
  const text = (content) => [{ type: "text", content }];
  assert.deepEqual(messages("Hi", "user"), [{ role: "user", parts: text("Hi") }]);
  assert.deepEqual(messages([{ role: "system", content: "Be brief." }, 5], "user"), [
    { role: "system", parts: text("Be brief.") },
    5,
  ]);
  const image = { content: [{ type: "image_url" }] };
  assert.deepEqual(messages(image, "user"), [{ role: "user", ...image }]);
});

const SETTINGS = { endpoint: "https://traces.example.com", apiKey: "tsk_x" };

test("the endpoint may end with a slash or the path of the route", () => {
  for (const end of ["", "/", "/v1/traces", "/v1/traces/"]) {
    const settings = read({ ...SETTINGS, endpoint: `https://a.example/base${end}` }, {});
    assert.equal(settings.spansUrl, "https://a.example/base/v1/traces");
    assert.equal(settings.capturesUrl, "https://a.example/base/api/analytics/traces");
  }
});

test("options take precedence over the environment", () => {
  const environment = { TRACESTORE_ENDPOINT: "http://env", TRACESTORE_API_KEY: "tsk_env", OTEL_SERVICE_NAME: "env" };
  const { apiKey, serviceName } = read({ apiKey: " tsk_option\n" }, environment);
  assert.deepEqual({ apiKey, serviceName }, { apiKey: "tsk_option", serviceName: "env" });
  const lessons = read(SETTINGS, { TRACESTORE_LESSONS: '{"generate": "lessonId", "other": false}' }).lessons;
  assert.deepEqual(
    [...lessons],
    [
      ["generate", { lessonId: "lessonId" }],
      ["other", false],
    ],
  );
});

const UNUSABLE = [
  [{}, {}, /no endpoint is set/],
  [{ endpoint: "http://a" }, {}, /no API key is set/],
  [{ ...SETTINGS, endpoint: "traces.example.com" }, {}, /the endpoint is not a URL/],
  [{ ...SETTINGS, endpoint: "ftp://a" }, {}, /the endpoint is not a URL/],
  [{ ...SETTINGS, apiKey: "tsk_…" }, {}, /characters that no key contains/],
  [{ ...SETTINGS, limits: { intervalMs: 0 } }, {}, /every limit must be greater than 0/],
  [{ ...SETTINGS, lessons: { a: { lesson_id: "x" } } }, {}, /accepts only the options/],
  [SETTINGS, { TRACESTORE_LESSONS: "{" }, /not valid JSON/],
];

for (const [options, environment, message] of UNUSABLE) {
  test(`unusable settings are named: ${message.source}`, () =>
    assert.throws(() => read(options, environment), message));
}

test("configure returns false for unusable settings, and logs the reason", () => {
  const lines = [];
  const logger = { warn: () => undefined, error: (line) => lines.push(line) };
  assert.equal(configure({ endpoint: "nowhere", apiKey: "tsk_x", logger }), false);
  assert.match(lines.join(), /^tracestore-client: Tracing is off: the endpoint is not a URL/);
});
