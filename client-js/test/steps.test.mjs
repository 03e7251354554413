// The contents of a span after its code has run, for every kind of function.
import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { SpanStatusCode, trace as otel } from "@opentelemetry/api";

import * as client from "tracestore-client";

import { configureFor, logged, spansOf } from "./helpers.mjs";

class Broken extends Error {
  name = "Broken";
}

const byName = (spans) => Object.fromEntries(spans.map((span) => [span.name, span]));
const traceIds = (spans) => new Set(spans.map((span) => span.spanContext().traceId));
const isChild = (child, parent) => child.parentSpanContext?.spanId === parent.spanContext().spanId;

test("steps run without a configuration", async () => {
  const result = client.traceLesson({ lessonId: "lesson-1", request: { a: 1 } }, (lesson) => {
    lesson.response = 1;
    lesson.llmCall({ provider: "openai", model: "m", prompt: "x" }, (call) => call.usage({ inputTokens: 1 }));
    return [lesson.isRecording, lesson.traceId];
  });
  assert.deepEqual(result, [false, "0".repeat(32)]);
  assert.equal(client.stats().sent, 0);
  assert.match(client.captureTrace({ span_name: "x" }).trace_id, /^[0-9a-f]{32}$/);
  assert.equal(await client.flush(), true);
});

test("a lesson contains its id, request and response", (t) => {
  const spans = spansOf(t);
  const options = { lessonId: "lesson-1", request: { topic: "rivers" }, userId: "ada", conversationId: "c1" };
  client.traceLesson(options, (lesson) => {
    lesson.response = { title: "Rivers" };
  });
  assert.equal(spans.length, 1);
  assert.deepEqual(spans[0].attributes, {
    "gen_ai.operation.name": "lesson",
    "lesson.id": "lesson-1",
    request_data: '{"topic":"rivers"}',
    response_data: '{"title":"Rivers"}',
    "user.id": "ada",
    "session.id": "c1",
  });
  assert.equal(spans[0].status.code, SpanStatusCode.OK);
});

test("the result of the function is the response, unless one was set", (t) => {
  const spans = spansOf(t);
  assert.equal(
    client.traceLesson({ lessonId: 7 }, () => "made"),
    "made",
  );
  client.traceLesson({ lessonId: 8 }, (lesson) => {
    lesson.response = "set";
    return "returned";
  });
  assert.deepEqual(
    spans.map((span) => [span.attributes["lesson.id"], span.attributes.response_data]),
    [
      ["7", "made"],
      ["8", "set"],
    ],
  );
});

for (const value of [2, 0.5, true, "2"]) {
  test(`${JSON.stringify(value)} keeps its type`, (t) => {
    const spans = spansOf(t);
    client.traceLesson({ request: value }, () => value);
    assert.deepEqual([spans[0].attributes.request_data, spans[0].attributes.response_data], [value, value]);
  });
}

for (const [kind, run] of [
  [
    "a function",
    () => {
      throw new Broken("no provider");
    },
  ],
  [
    "an async function",
    async () => {
      throw new Broken("no provider");
    },
  ],
]) {
  test(`${kind} that fails throws its own exception, which is recorded`, async (t) => {
    const spans = spansOf(t);
    await assert.rejects(async () => client.traceLesson({ lessonId: "1" }, run), Broken);
    assert.deepEqual(spans[0].status, { code: SpanStatusCode.ERROR, message: "no provider" });
    assert.equal(spans[0].attributes["error.type"], "Broken");
    assert.match(spans[0].events[0].attributes["exception.stacktrace"], /steps\.test\.mjs/);
  });
}

test("a handled failure can be recorded", (t) => {
  const spans = spansOf(t);
  client.span("step", (step) => step.fail("half of it is missing", "Partial"));
  assert.deepEqual(spans[0].status, { code: SpanStatusCode.ERROR, message: "half of it is missing" });
  assert.equal(spans[0].attributes["error.type"], "Partial");
});

test("spans of other tracers are inside the lesson, also after an await", async (t) => {
  const spans = spansOf(t);
  await client.traceLesson({ lessonId: "lesson-1" }, async () => {
    await sleep(1);
    otel.getTracer("theirs").startActiveSpan("call", (span) => span.end());
  });
  const { call, lesson } = byName(spans);
  assert.ok(isChild(call, lesson));
});

test("a lesson inside another trace is a root with a link", (t) => {
  const spans = spansOf(t);
  otel.getTracer("web").startActiveSpan("GET /lesson", (span) => {
    client.traceLesson({ lessonId: "lesson-1" }, () => 1);
    span.end();
  });
  const { lesson, "GET /lesson": outer } = byName(spans);
  assert.equal(lesson.parentSpanContext, undefined);
  assert.equal(lesson.links[0].context.spanId, outer.spanContext().spanId);
});

test("the same lesson inside itself stays in its trace, and another one starts a trace", (t) => {
  const spans = spansOf(t);
  client.traceLesson({ lessonId: 1 }, () => client.traceLesson({ lessonId: "1" }, () => 1));
  assert.equal(traceIds(spans).size, 1);
  client.traceLesson({ lessonId: 1 }, () => client.traceLesson({ lessonId: 2 }, () => 1));
  assert.equal(traceIds(spans).size, 3);
});

test("concurrent lessons keep their calls apart", async (t) => {
  const spans = spansOf(t);
  const generate = (lessonId) =>
    client.traceLesson({ lessonId }, async () => {
      await sleep(1);
      return client.llmCall({ model: "m" }, async () => sleep(1));
    });
  await Promise.all([generate("a"), generate("b")]);
  const calls = spans.filter((span) => span.name === "chat m");
  assert.equal(traceIds(calls).size, 2);
});

test("a call contains its request, response and usage", (t) => {
  const spans = spansOf(t);
  const options = {
    provider: "openai",
    model: "gpt-4o-mini",
    prompt: "Hello",
    temperature: 0.2,
    maxTokens: 9,
    topP: 1,
  };
  client.llmCall({ ...options, tier: "flex" }, (call) => {
    call.respond("Hi", { model: "gpt-4o-mini-2024", responseId: "r1", finishReason: "stop" });
    call.usage({ inputTokens: 1, outputTokens: 2, cachedInputTokens: 1, reasoningTokens: 0, costUsd: 0.5 });
  });
  assert.deepEqual(spans[0].attributes, {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.request.temperature": 0.2,
    "gen_ai.request.max_tokens": 9,
    "gen_ai.request.top_p": 1,
    tier: "flex",
    "gen_ai.response.model": "gpt-4o-mini-2024",
    "gen_ai.response.id": "r1",
    "gen_ai.response.finish_reasons": '["stop"]',
    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Hello"}]}]',
    "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Hi"}]}]',
    "gen_ai.usage.input_tokens": 1,
    "gen_ai.usage.output_tokens": 2,
    "gen_ai.usage.cache_read.input_tokens": 1,
    "gen_ai.usage.reasoning.output_tokens": 0,
    "gen_ai.usage.cost": 0.5,
  });
});

test("a call outside the context of its lesson is a child of the lesson", (t) => {
  const spans = spansOf(t);
  let escaped;
  client.traceLesson({ lessonId: "1" }, (lesson) => {
    escaped = lesson;
  });
  escaped.llmCall({ model: "m" }, () => 1);
  escaped.span("chapter", { operation: "tool", input: { x: 1 } }, () => 1);
  const { lesson, "chat m": call, chapter } = byName(spans);
  assert.ok(isChild(call, lesson) && isChild(chapter, lesson));
});

test("a call inside a span of the lesson is the child of that span", (t) => {
  const spans = spansOf(t);
  client.traceLesson({}, (lesson) => client.span("chapter", () => lesson.llmCall({ model: "m" }, () => 1)));
  const { chapter, "chat m": call } = byName(spans);
  assert.ok(isChild(call, chapter));
});

for (const [operation, attributes] of [
  ["agent", { "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "s", "input.value": '{"x":1}' }],
  [
    "tool",
    {
      "gen_ai.operation.name": "execute_tool",
      "gen_ai.tool.name": "s",
      "gen_ai.tool.call.arguments": '{"x":1}',
    },
  ],
  ["retrieval", { "gen_ai.operation.name": "retrieval", "input.value": '{"x":1}' }],
]) {
  test(`a step has the attributes of its operation: ${operation}`, (t) => {
    const spans = spansOf(t);
    client.span("s", { operation, input: { x: 1 }, attributes: { extra: [1] } }, () => undefined);
    assert.deepEqual(spans[0].attributes, { ...attributes, extra: "[1]" });
  });
}

test("a promise is returned unchanged, with its own methods", async (t) => {
  spansOf(t);
  class ApiPromise extends Promise {
    withResponse() {
      return "raw";
    }
  }
  const sent = ApiPromise.resolve(1);
  const returned = client.span("call", () => sent);
  assert.equal(returned, sent);
  assert.equal(returned.withResponse(), "raw");
});

test("a query that runs at each call of then runs once", async (t) => {
  const spans = spansOf(t);
  let runs = 0;
  const query = {
    then: (resolve) => {
      runs += 1;
      resolve("rows");
    },
  };
  assert.equal(await client.span("query", () => query), "rows");
  assert.equal(runs, 1);
  assert.equal(spans[0].attributes["output.value"], "rows");
});

test("a generator is traced to its last item, and its consumer is outside", (t) => {
  const spans = spansOf(t);
  const items = [];
  const generator = client.traceLesson({ lessonId: "1" }, function* () {
    yield "Rivers ";
    client.span("inside", () => 1);
    yield "flow.";
  });
  for (const item of generator) {
    assert.equal(otel.getActiveSpan(), undefined);
    items.push(item);
  }
  const { lesson, inside } = byName(spans);
  assert.deepEqual(items, ["Rivers ", "flow."]);
  assert.equal(lesson.attributes.response_data, "Rivers flow.");
  assert.ok(isChild(inside, lesson));
});

test("a generator accepts values and exceptions, and may be left early", (t) => {
  const spans = spansOf(t);
  let isClosed = false;
  const talk = client.span("talk", function* () {
    try {
      const received = yield "first";
      try {
        yield received;
      } catch {
        yield "caught";
      }
    } finally {
      isClosed = true;
    }
  });
  assert.deepEqual(
    [talk.next().value, talk.next("second").value, talk.throw(new Broken()).value],
    ["first", "second", "caught"],
  );
  talk.return();
  assert.ok(isClosed);
  assert.equal(spans[0].status.code, SpanStatusCode.OK);
});

test("an async generator is traced to its last item, and its failure is recorded", async (t) => {
  const spans = spansOf(t);
  const talk = (fails) =>
    client.span("talk", async function* () {
      yield "Rivers ";
      await sleep(1);
      if (fails) throw new Broken("lost");
      yield "flow.";
    });
  let text = "";
  for await (const part of talk(false)) text += part;
  assert.equal(text, "Rivers flow.");
  await assert.rejects(async () => {
    for await (const part of talk(true)) text += part;
  }, Broken);
  assert.deepEqual(
    spans.map((span) => [span.attributes["output.value"], span.status.code]),
    [
      ["Rivers flow.", SpanStatusCode.OK],
      ["Rivers ", SpanStatusCode.ERROR],
    ],
  );
});

test("a named function is a lesson whose id and request are its arguments", async (t) => {
  const spans = spansOf(t, { lessons: { "app.generate": { exclude: ["session"] } } });
  const generate = client.lesson("app.generate", async ({ lessonId, topic }) => `${lessonId} ${topic}`, "lessonId");
  assert.equal(await generate({ lessonId: "l-7", topic: "rivers", session: "s" }), "l-7 rivers");
  assert.equal(spans[0].name, "lesson app.generate");
  assert.deepEqual(spans[0].attributes, {
    "gen_ai.operation.name": "lesson",
    "lesson.id": "l-7",
    request_data: '{"lessonId":"l-7","topic":"rivers"}',
    response_data: "l-7 rivers",
  });
});

test("the lesson's id may be a position, a path or a function", (t) => {
  const spans = spansOf(t);
  client.lesson("a", (_id, _topic) => 1, 0)("l-1", "rivers");
  client.lesson("b", (_request) => 1, "request.lesson.id")({ request: { lesson: { id: "l-2" } } });
  client.lesson("c", (_first, _request) => 1, "1.id")("x", { id: "l-3" });
  client.lesson("d", (course, number) => 1, { lessonId: (course, number) => `${course}/${number}` })("geo", 4);
  client.lesson("e", () => 1, {
    lessonId: () => {
      throw new Broken();
    },
  })();
  client.lesson("f", (_request) => 1, "no.such.path")({ no: null });
  assert.deepEqual(
    spans.map((span) => span.attributes["lesson.id"]),
    ["l-1", "l-2", "l-3", "geo/4", undefined, undefined],
  );
  assert.equal(spans[0].attributes.request_data, '["l-1","rivers"]');
});

test("a rule of a later configuration applies, and false turns tracing off", (t) => {
  const generate = client.lesson("generate", (id) => id);
  const spans = spansOf(t, { lessons: { generate: false } });
  generate("l-1");
  assert.equal(spans.length, 0);
  const later = spansOf(t, { lessons: { generate: { lessonId: 0, name: "lesson by name" } } });
  generate("l-2");
  assert.deepEqual(
    later.map((span) => [span.name, span.attributes["lesson.id"]]),
    [["lesson by name", "l-2"]],
  );
});

test("a method of an object or a class can be replaced, once", (t) => {
  const spans = spansOf(t);
  class Teacher {
    level = 3;
    generate(id) {
      return `${id} ${this.level}`;
    }
  }
  assert.equal(client.wrapLesson(Teacher.prototype, "generate", 0), true);
  assert.equal(client.wrapLesson(Teacher.prototype, "generate", 0), true);
  assert.equal(new Teacher().generate("l-1"), "l-1 3");
  assert.equal(spans.length, 1);
});

test("what cannot be replaced is logged, and works as before", async (t) => {
  spansOf(t);
  const module = await import("./helpers.mjs");
  assert.equal(client.wrapLesson(module, "storeFor"), false);
  assert.equal(client.wrapLesson({}, "missing"), false);
  assert.equal(client.lesson("nothing", 5), 5);
  assert.match(logged[0], /its exports are constant; wrap the function where it is defined/);
  assert.equal(logged.length, 3);
});

const STRANGE = {
  "a revoked proxy": () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  "values inside": () => ({ deep: [new Set([1]), NaN, 2n ** 9_000n, "\ud800", Symbol("s"), () => 1] }),
  "a symbol": () => Symbol("s"),
  "a generator object": () => [(function* () {})()],
};

for (const [kind, make] of Object.entries(STRANGE)) {
  test(`any value can be recorded: ${kind}`, (t) => {
    const spans = spansOf(t);
    const value = make();
    client.traceLesson({ lessonId: value, request: value }, (lesson) => {
      lesson.response = value;
      lesson.set("anything", value);
      lesson.llmCall({ messages: value, temperature: value }, (call) => {
        call.respond(value);
        call.usage({ inputTokens: value });
        call.usage(value);
        call.fail(value);
      });
    });
    assert.equal(spans.length, 2);
    client.captureTrace({ span_name: "x", input_data: value });
    client.captureTrace(undefined);
  });
}

test("options that cannot be read do not reach the application", (t) => {
  const spans = spansOf(t);
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const text = {
    toString() {
      throw new Broken();
    },
  };
  for (const options of [proxy, null, { model: text, operation: text, name: text }]) {
    assert.equal(
      client.traceLesson(options, (lesson) => lesson.llmCall(options, () => 1)),
      1,
    );
    assert.equal(
      client.trace("t", options, (step) => step.span("s", options, () => 2)),
      2,
    );
    assert.equal(
      client.span(text, options, () => client.llmCall(options, () => 3)),
      3,
    );
  }
  assert.ok(spans.length > 9);
});

test("values set after the end are ignored without a log line", (t) => {
  const spans = spansOf(t);
  let call;
  client.llmCall({ model: "m" }, (open) => {
    call = open;
  });
  call.respond("late", { model: "m" });
  call.usage({ inputTokens: 1 });
  call.set("late", 1);
  call.fail("late");
  call.end();
  assert.equal(spans[0].status.code, SpanStatusCode.OK);
  assert.deepEqual(logged, []);
});

test("a keep function that fails keeps the span", async (t) => {
  configureFor(t, undefined, {
    limits: { intervalMs: 60_000 },
    keep: () => {
      throw new Broken();
    },
  });
  client.span("s", () => 1);
  assert.equal(client.stats().queued, 1);
  assert.match(logged[0], /The function `keep` failed with Broken/);
});
