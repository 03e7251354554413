import { describe, expect, it } from "vitest";
import type { LessonCall, LessonSummary, OutlineSpan } from "../src/api/types.ts";
import { listParameters, statisticsParameters, traceIdOf } from "../src/lessons/address.ts";
import { callsOf, endOf, groupsOf } from "../src/lessons/calls.ts";
import { documentOf, labelOf, ranksOf } from "../src/lessons/document.ts";

import { markOf, pathInWords, pathOf, pathOfCalls } from "../src/lessons/providers.ts";
import { topicIn, topicOf } from "../src/lessons/topic.ts";

describe("the topic of a request", () => {
  it("is the topic, the title or the prompt of JSON", () => {
    expect(topicOf('{"prompt": "Write a lesson", "topic": "Rivers"}')).toBe("Rivers");
    expect(topicOf('{"prompt": "Write about rivers\\nIn short."}')).toBe("Write about rivers");
    expect(topicOf('{"request": {"topic": "Rivers"}}')).toBe("Rivers");
  });

  it("is found in JSON that is cut", () => {
    expect(topicOf('{"grade": 7, "topic": "The \\"Nile\\"", "prompt": "Write …')).toBe('The "Nile"');
    expect(topicOf('{"prompt": "Write a long les\\u20')).toBe("Write a long les");
  });

  it("is the first line of a text", () => {
    expect(topicOf("\n# Rivers\nAll of them")).toBe("Rivers");
    expect(topicOf('"Rivers\\nand lakes"')).toBe("Rivers");
    expect(topicIn("Rivers\nand lakes")).toBe("Rivers");
  });

  it("is absent without a request", () => {
    expect([topicOf(null), topicOf(""), topicOf("{}"), topicIn(null)]).toEqual([null, null, null, null]);
  });

  it("makes control characters visible", () => {
    expect(topicOf("Rivers \u202Eevil")).toBe("Rivers ⟨U+202E⟩evil");
    expect(documentOf({ topic: "\u0000x" })).toEqual([
      { type: "fields", fields: [{ label: "Topic", value: "⟨U+0000⟩x" }], level: 0 },
    ]);
  });

  it("falls back on the JSON itself", () => {
    expect(topicOf('{"grade": 7}')).toBe('{"grade": 7}');
  });
});

describe("the path of providers", () => {
  const path = (lesson: Parameters<typeof pathOf>[0]): string =>
    pathOf(lesson)
      .map((step) => step.name + markOf(step))
      .join(" → ");

  it("shows a fallback", () => {
    const lesson = {
      provider_used: "anthropic",
      fallback_providers: ["openai"],
      status: "completed",
      error_count: 1,
    } as const;
    expect(path({ ...lesson, fallback_providers: ["openai"] })).toBe("openai ✕ → anthropic ✓");
    expect(pathInWords(pathOf({ ...lesson, fallback_providers: ["openai"] }))).toBe(
      "openai failed, then anthropic answered",
    );
  });

  it("does not call a provider failed that was only used before", () => {
    expect(
      path({
        provider_used: "anthropic",
        fallback_providers: ["openai"],
        status: "completed",
        error_count: 0,
      }),
    ).toBe("openai → anthropic ✓");
  });

  it("shows a lesson in which no provider answered", () => {
    const lesson = { provider_used: null, fallback_providers: ["openai", "google"], error_count: 3 };
    expect(path({ ...lesson, status: "failed" })).toBe("openai ✕ → google ✕");
    expect(path({ ...lesson, status: "started" })).toBe("openai → google");
  });

  it("has no mark for the last provider of a failed lesson, and dots for a running one", () => {
    const lesson = { provider_used: "google", fallback_providers: [], error_count: 2 };
    expect(path({ ...lesson, status: "failed" })).toBe("google");
    expect(path({ ...lesson, status: "started" })).toBe("google …");
  });
});

describe("the path of the calls", () => {
  const lesson = {
    provider_used: "anthropic",
    fallback_providers: [],
    status: "completed",
    error_count: 0,
  } as const;
  const path = (...calls: Parameters<typeof pathOfCalls>[0]): string =>
    pathOfCalls(calls, { ...lesson, fallback_providers: [] })
      .map((step) => step.name + markOf(step))
      .join(" → ");

  it("marks a provider failed if each of its calls failed", () => {
    expect(path({ provider: "openai", state: "failed" }, { provider: "anthropic", state: "answered" })).toBe(
      "openai ✕ → anthropic ✓",
    );
    expect(
      path(
        { provider: "openai", state: "answered" },
        { provider: "openai", state: "failed" },
        { provider: "anthropic", state: "answered" },
      ),
    ).toBe("openai → anthropic ✓");
    expect(path({ provider: "openai", state: "running" })).toBe("openai …");
  });

  it("is that of the lesson without calls", () => {
    expect(path()).toBe("anthropic ✓");
  });
});

describe("JSON as a document", () => {
  it("makes labels of names", () => {
    expect(["learning_goals", "learningGoals", "grade", "URL", "größe", "a.b"].map(labelOf)).toEqual([
      "Learning goals",
      "Learning goals",
      "Grade",
      "URL",
      "größe",
      "a.b",
    ]);
  });

  it("shows short values as fields, lists as lists and long texts below a heading", () => {
    const text = "A leaf is a small kitchen.\n\nLight brings the energy.";
    expect(documentOf({ topic: "Leaves", grade: 7, goals: ["light", "water"], content: text })).toEqual([
      {
        type: "fields",
        level: 0,
        fields: [
          { label: "Topic", value: "Leaves" },
          { label: "Grade", value: "7" },
        ],
      },
      { type: "heading", text: "Goals", level: 1 },
      { type: "list", items: ["light", "water"], level: 1 },
      { type: "heading", text: "Content", level: 1 },
      { type: "text", text, level: 1 },
    ]);
  });

  it("shows a title once", () => {
    expect(documentOf({ title: "Leaves", content: "# Leaves\n\nGreen things." })).toEqual([
      { type: "heading", text: "Leaves", level: 0 },
      { type: "text", text: "Green things.", level: 0 },
    ]);
  });

  it("keeps the text below its title, and Markdown out of the fields", () => {
    const long = "Water, sand and stones grind the bed of the river, and the valley grows deeper. ".repeat(2);
    expect(documentOf([{ title: "Erosion", content: long, minutes: 5 }])).toEqual([
      { type: "heading", text: "1. Erosion", level: 1 },
      { type: "text", text: long, level: 1 },
      { type: "fields", fields: [{ label: "Minutes", value: "5" }], level: 1 },
    ]);
    expect(documentOf({ summary: "A river is **patient**." })).toEqual([
      { type: "heading", text: "Summary", level: 1 },
      { type: "text", text: "A river is **patient**.", level: 1 },
    ]);
  });

  it("numbers the parts of a list by their titles", () => {
    const blocks = documentOf({ sections: [{ title: "Light", minutes: 5 }, { text: "x".repeat(99) }] });
    expect(blocks.filter((block) => block.type === "heading").map((block) => block.text)).toEqual([
      "Sections",
      "1. Light",
      "2",
      "Text",
    ]);
  });

  it("ranks headings without gaps", () => {
    const heading = (level: number) => ({ type: "heading", text: "x", level }) as const;
    const text = { type: "text", text: "# One\n\n## Two\n\nText.", level: 1 } as const;
    expect(ranksOf([heading(1), heading(2), text, heading(1), heading(1)], 3)).toEqual([3, 4, 2, 3, 4]);
    expect(ranksOf([heading(0), heading(1), heading(5)], 3)).toEqual([3, 4, 5]);
  });

  it("shows what is deep or long as JSON, and a text as a text", () => {
    const deep = { a: { b: { c: { d: { e: { f: 1 } } } } } };
    expect(documentOf(deep).at(-1)).toEqual({ type: "json", value: { f: 1 }, level: 5 });
    expect(documentOf(Array.from({ length: 300 }, (_, index) => index))).toMatchObject([{ type: "json" }]);
    expect(documentOf("Rivers flow.")).toEqual([{ type: "text", text: "Rivers flow.", level: 0 }]);
    expect([documentOf(null), documentOf({}), documentOf({ a: "", b: [] })]).toEqual([[], [], []]);
  });
});

describe("the calls of a lesson", () => {
  const calls = [
    {
      id: "a",
      provider: "openai",
      success: false,
      error: "overloaded",
      duration_ms: 1100,
      timestamp: "2026-11-22T01:00:00.100Z",
    },
    {
      id: "b",
      provider: "anthropic",
      success: true,
      duration_ms: 3900,
      timestamp: "2026-11-22T01:00:01.300Z",
    },
    { id: "c", provider: "anthropic", timestamp: "2026-11-22T01:00:05.300Z" },
  ] as LessonCall[];
  const row = (id: string, more: Partial<OutlineSpan>): OutlineSpan => ({
    span_id: id,
    depth: 1,
    status: "success",
    start_offset_ms: 0,
    counted: true,
    ...more,
  });
  const outline = [
    row("a", {
      status: "error",
      start_offset_ms: 100,
      wasted: true,
      cost_usd: 0.001,
      attempt: { group: "a", number: 1, outcome: "failed" },
    }),
    row("b", {
      start_offset_ms: 1300,
      cost_usd: 0.002,
      attempt: { group: "a", number: 2, outcome: "answered" },
    }),
    row("c", { status: "pending", start_offset_ms: 5300 }),
  ];
  const started = Date.parse("2026-11-22T01:00:00Z");

  it("have their cost and their waste from the outline", () => {
    const shown = callsOf(calls, outline, started);
    expect(shown.map((call) => [call.state, call.start, call.cost, call.wasted])).toEqual([
      ["failed", 100, 0.001, true],
      ["answered", 1300, 0.002, false],
      ["running", 5300, null, false],
    ]);
    expect(endOf(shown, 5200)).toBe(5300);
  });

  it("are in their place in time without the outline", () => {
    expect(callsOf(calls, [], started).map((call) => call.start)).toEqual([100, 1300, 5300]);
  });

  it("are grouped by attempts", () => {
    const shown = callsOf(calls, outline, started);
    expect(groupsOf(shown, outline).map((group) => group.calls.map((call) => call.id))).toEqual([
      ["a", "b"],
      ["c"],
    ]);
    expect(groupsOf(shown, []).length).toBe(3);
  });
});

describe("the address of lessons", () => {
  const now = Date.parse("2026-11-28T10:00:30Z");

  it("gives the parameters of list and statistics", () => {
    const query = new URLSearchParams("range=24h&status=failed&lesson_id=l-7&search=+leaf+&sel=1");
    expect(listParameters(query, now, "UTC")).toEqual({
      status: "failed",
      lesson_id: "l-7",
      search: "leaf",
      start_date: "2026-11-27T10:00:00.000Z",
    });
    expect(statisticsParameters(query, now, "UTC")).toEqual({
      lesson_id: "l-7",
      start_date: "2026-11-27T10:00:00.000Z",
    });
  });

  it("leads to the same trace without the hyphens of a UUID", () => {
    expect(traceIdOf("1f0c3f7d-5b9e-4c1f-8a6a-2b7f9d1e4c55")).toBe("1f0c3f7d5b9e4c1f8a6a2b7f9d1e4c55");
    expect(traceIdOf("lesson-1")).toBe("lesson-1");
  });
});
