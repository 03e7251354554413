import { describe, expect, test, vi } from "vitest";
import { aligned, keyOf, type Row } from "../src/compare/align.ts";
import { deltaOf, fieldsDifference } from "../src/compare/numbers.ts";
import { pastedSide, sideOf, textOf } from "../src/compare/sides.ts";
import { contentOf } from "../src/compare/spans.ts";
import { cost, duration } from "../src/lib/format.ts";
import { random } from "./outlines.ts";

vi.stubGlobal("location", { pathname: "/traces", search: "" });

/** Rows from lines such as `  tool search`, whose indentation is their depth. */
function rows(text: string, more: Partial<Row> = {}): Row[] {
  return text
    .split("\n")
    .filter((line) => line.trim())
    .map((line, index) => ({
      span_id: `s${index}`,
      depth: (line.length - line.trimStart().length) / 2,
      status: "success",
      start_offset_ms: index,
      counted: true,
      operation_type: line.trim().split(" ")[0] ?? "",
      span_name: line.trim().split(" ")[1] ?? "",
      ...more,
    }));
}

const drawn = (a: Row[], b: Row[]): string[] =>
  aligned(a, b).map(
    ({ depth, kind, a: one, b: other }) => `${" ".repeat(depth)}${kind} ${(one ?? other)?.span_name}`,
  );

describe("aligned traces", () => {
  test("have equal steps in one row, and the others where they are", () => {
    const a = rows("agent run\n  completion plan\n  tool search\n  tool fetch\n  completion answer");
    const b = rows("agent run\n  completion plan\n  tool search\n  tool search\n  completion answer");
    expect(drawn(a, b)).toEqual([
      "equal run",
      " equal plan",
      " equal search",
      " a fetch",
      " b search",
      " equal answer",
    ]);
  });

  test("say what has changed, but not that times differ", () => {
    const [a] = rows("completion plan", { model_name: "one", duration_ms: 5 });
    const [b] = rows("completion plan", { model_name: "two", duration_ms: 9, status: "error" });
    const [pair] = aligned([a as Row], [b as Row]);
    expect(pair).toMatchObject({ kind: "changed", changes: ["status", "model"] });
    const [same] = aligned([a as Row], [{ ...(a as Row), duration_ms: 99 }]);
    expect(same?.kind).toBe("equal");
  });

  test("are compared from their roots on, also under different names", () => {
    const pairs = aligned(rows("agent old\n  tool search"), rows("agent new\n  tool search"));
    expect(pairs.map(({ kind }) => kind)).toEqual(["changed", "equal"]);
  });

  test("keep what is only in one with all that is below it", () => {
    const a = rows("agent run\n  agent sub\n    tool one\n    tool two\n  tool end");
    const b = rows("agent run\n  tool end");
    expect(drawn(a, b)).toEqual(["equal run", " a sub", "  a one", "  a two", " equal end"]);
  });

  test("contain every span of both once, in the order of each, whatever the trees", () => {
    const next = random(17);
    const tree = (): Row[] => {
      const found: Row[] = [];
      let depth = 0;
      for (let index = 0; index < 60; index++) {
        found.push({ ...(rows(`tool n${Math.floor(next() * 4)}`)[0] as Row), span_id: `s${index}`, depth });
        depth = Math.max(0, depth + Math.floor(next() * 4) - 2 + (index === 0 ? 1 : 0));
        depth = Math.min(depth, (found.at(-1)?.depth ?? 0) + 1);
      }
      return found;
    };
    for (let round = 0; round < 60; round++) {
      const [a, b] = [tree(), tree()];
      const pairs = aligned(a, b);
      expect(pairs.flatMap(({ a: row }) => (row ? [row.span_id] : []))).toEqual(a.map((row) => row.span_id));
      expect(pairs.flatMap(({ b: row }) => (row ? [row.span_id] : []))).toEqual(b.map((row) => row.span_id));
    }
  });

  test("of 10,000 siblings and of 5,000 levels take no second", () => {
    const wide = (name: (index: number) => string): Row[] =>
      Array.from({ length: 10_000 }, (_, index) => ({
        ...(rows("tool x")[0] as Row),
        span_id: `s${index}`,
        span_name: name(index),
        depth: index ? 1 : 0,
      }));
    const began = performance.now();
    expect(
      aligned(
        wide((index) => `n${index % 7}`),
        wide((index) => `m${index % 11}`),
      ).length,
    ).toBeGreaterThan(9_999);
    const deep = wide(() => "n")
      .slice(0, 5_000)
      .map((row, depth) => ({ ...row, depth }));
    expect(aligned(deep, deep)).toHaveLength(5_000);
    expect(performance.now() - began).toBeLessThan(3_000);
  });

  test("are named by both ids", () => {
    const [pair] = aligned(rows("agent run"), []);
    expect(keyOf(pair as { a: Row; b: null })).toBe("s0~");
  });
});

describe("what is compared", () => {
  test("is a trace, a span, or a link to one of them", () => {
    expect(sideOf("abc")).toEqual({ trace: "abc", span: null });
    expect(textOf(sideOf("abc/de.f") ?? { trace: "", span: null })).toBe("abc/de.f");
    expect(pastedSide(" https://host/prod/traces/t/abc?span=s1&view=details ")).toEqual({
      trace: "abc",
      span: "s1",
    });
    expect(pastedSide("/traces/t/abc")).toEqual({ trace: "abc", span: null });
  });

  test("is nothing else", () => {
    for (const text of ["", "a/b/c", "<script>", "a b", "/traces/t/%", "x".repeat(129)])
      expect(pastedSide(text)).toBeNull();
    expect(sideOf(null)).toBeNull();
  });
});

describe("a difference of numbers", () => {
  test("has its sign and its share", () => {
    expect(deltaOf(1000, 1300, duration)).toEqual({ text: "+300 ms", share: "+30 %", sign: 1 });
    expect(deltaOf(0.5, 0.25, cost)).toMatchObject({ text: "−$0.25", share: "−50 %", sign: -1 });
    expect(deltaOf(0, 4, String)).toEqual({ text: "+4", share: "", sign: 1 });
    expect(deltaOf(4, 4, String)?.sign).toBe(0);
    expect(deltaOf(null, 4, String)).toBeNull();
  });
});

describe("fields", () => {
  test("that differ are named by their path", () => {
    expect(fieldsDifference({ a: { b: 1, c: 2 }, d: "x" }, { a: { b: 1, c: 3 }, e: null })).toEqual([
      { path: "a.c", a: "2", b: "3" },
      { path: "d", a: "x", b: null },
      { path: "e", a: null, b: "null" },
    ]);
    expect(fieldsDifference(null, undefined)).toEqual([]);
  });

  test("of large and deep documents are bounded", () => {
    const large = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`k${index}`, index]));
    expect(fieldsDifference(large, {})).toHaveLength(400);
    let deep: unknown = 1;
    for (let level = 0; level < 90; level++) deep = { deep };
    expect(fieldsDifference(deep, null)).toHaveLength(1);
  });

  test("of large documents are those that differ, wherever they are", () => {
    const large = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`k${index}`, index]));
    expect(fieldsDifference(large, { first: 0, ...large, k4999: 0 })).toEqual([
      { path: "k4999", a: "4999", b: "0" },
      { path: "first", a: null, b: "0" },
    ]);
  });
});

describe("the content of a span", () => {
  test("has instructions, tools and parameters apart from the conversation", () => {
    const content = contentOf({
      input_data: {
        messages: [
          { role: "system", content: "be brief" },
          { role: "user", content: "hello" },
        ],
        tools: [{ name: "find" }],
        temperature: 0.2,
      },
      output_data: { messages: [{ role: "assistant", content: "hi" }] },
      metadata: { max_tokens: 5, attributes: { x: 1 } },
    } as never);
    expect(content.system).toBe("be brief");
    expect(content.messages.map(({ role }) => role)).toEqual(["user"]);
    expect(content.tools.map(({ name }) => name)).toEqual(["find"]);
    expect(content.parameters).toEqual({ max_tokens: 5, temperature: 0.2 });
    expect([content.input, content.output]).toEqual([null, "hi"]);
  });

  test("is text where it is no conversation, and empty where there is none", () => {
    expect(contentOf({ input_data: { town: "Malmö" }, output_data: 7 } as never)).toMatchObject({
      input: '{\n  "town": "Malmö"\n}',
      output: "7",
    });
    expect(contentOf(null)).toMatchObject({ system: "", input: null, output: "", tools: [] });
  });
});
