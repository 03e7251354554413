import { describe, expect, test } from "vitest";
import {
  callAround,
  entryOf,
  transcriptOf,
  type Entry,
  type SpanOfPage,
} from "../src/transcript/transcript.ts";
import { treeOf } from "../src/trace/tree.ts";
import type { OutlineSpan } from "../src/api/types.ts";
import { row } from "./outlines.ts";

type Heard = Partial<SpanOfPage>;

const text = (role: string, words: string) => ({ role, parts: [{ type: "text", text: words }] });
const call = (id: string, name: string, args: unknown) => ({ type: "tool_call", id, name, arguments: args });
const result = (id: string, value: unknown) => ({
  role: "tool",
  parts: [{ type: "tool_result", id, name: "f", result: value }],
});
const answer = (...parts: unknown[]) => ({ messages: [{ role: "assistant", parts }] });
const completion = (id: string, parent: string | null, at: number, fields: Partial<OutlineSpan> = {}) =>
  row(id, parent, { operation_type: "completion", start_offset_ms: at, ...fields });
const tool = (id: string, parent: string, at: number, name: string, fields: Partial<OutlineSpan> = {}) =>
  row(id, parent, { operation_type: "tool_call", tool_name: name, start_offset_ms: at, ...fields });

/** The entries as short texts, sections nested. */
function shown(rows: OutlineSpan[], payloads: Record<string, Heard>): unknown[] {
  const spans = new Map(
    Object.entries(payloads).map(([id, heard]) => [
      id,
      { span_id: id, input_data: null, output_data: null, ...heard } as SpanOfPage,
    ]),
  );
  const words = (entry: Entry): unknown => {
    switch (entry.kind) {
      case "said":
        return `${entry.role}: ${entry.parts.map((part) => ("text" in part ? part.text : part.type)).join("|")}${entry.before === null ? "" : ` (was ${entry.before})`}`;
      case "repeated":
        return `${entry.count} ${entry.changed ? `changed since ${entry.compared}` : "as before"}${entry.tools ? `, ${entry.tools} tools` : ""}`;
      case "tools":
        return entry.calls.map(
          (called) =>
            `${called.name}(${JSON.stringify(called.arguments)}) → ${called.hasResult ? JSON.stringify(called.result) : "?"} @${called.node?.key ?? "-"}`,
        );
      case "given":
        return `given ${entry.tools.map((tool) => tool.name).join()}${entry.changes ? ` ${JSON.stringify(entry.changes)}` : ""}`;
      case "quiet":
        return `quiet ${entry.steps.map((step) => step.key).join()}`;
      case "section":
        return { [entry.node.key]: entry.entries.map(words) };
      default:
        return `step ${entry.node.key}`;
    }
  };
  return transcriptOf(treeOf(rows).roots, spans).map(words);
}

const wrapper = row("root", null, { operation_type: "agent" });

describe("a transcript", () => {
  test("joins internal steps in a row, and leaves those apart that failed or have words", () => {
    const inner = (id: string, at: number, fields: Partial<OutlineSpan> = {}) =>
      row(id, "root", { operation_type: "other", start_offset_ms: at, ...fields });
    const rows = [
      wrapper,
      inner("a", 1),
      inner("b", 2, { operation_type: "http" }),
      inner("failed", 3, { status: "error" }),
      inner("c", 4),
      completion("call", "root", 5),
      inner("d", 6),
      inner("e", 7, { preview: "words" }),
      inner("f", 8),
      inner("g", 9),
      inner("h", 10),
    ];
    const payloads = {
      call: { new_messages: [text("user", "hi")], output_data: answer({ type: "text", text: "ok" }) },
    };
    expect(shown(rows, payloads)).toEqual([
      "quiet a,b",
      "step failed",
      "step c",
      "user: hi",
      "assistant: ok",
      "step d",
      "step e",
      "quiet f,g,h",
    ]);
    expect(entryOf(transcriptOf(treeOf(rows).roots, new Map()), "g")).toBe("f:quiet");
  });

  test("joins internal steps inside an agent", () => {
    const rows = [
      wrapper,
      row("agent", "root", { operation_type: "agent", start_offset_ms: 1 }),
      row("a", "agent", { operation_type: "other", start_offset_ms: 2, depth: 2 }),
      row("b", "agent", { operation_type: "other", start_offset_ms: 3, depth: 2 }),
      completion("call", "agent", 4, { depth: 2 }),
      completion("last", "root", 5),
    ];
    expect(shown(rows, {})).toEqual([{ agent: ["quiet a,b", "step call"] }, "step last"]);
  });

  test("shows what is new in each call, and the rest as one line", () => {
    const rows = [wrapper, completion("c1", "root", 1), completion("c2", "root", 2)];
    expect(
      shown(rows, {
        root: { input_data: answer({ type: "text", text: "never" }) },
        c1: {
          new_messages: [text("system", "s"), text("user", "hi")],
          repeated_messages: 0,
          output_data: answer({ type: "text", text: "hello" }),
        },
        c2: {
          new_messages: [text("user", "more")],
          repeated_messages: 3,
          history: "same",
          output_data: answer({ type: "text", text: "yes" }),
        },
      }),
    ).toEqual(["system: s", "user: hi", "assistant: hello", "3 as before", "user: more", "assistant: yes"]);
  });

  test("says that a history was changed", () => {
    expect(
      shown([completion("c", null, 0)], {
        c: {
          new_messages: [text("user", "x")],
          repeated_messages: 2,
          history: "changed",
          history_span_id: "b",
          output_data: "ok",
        },
      }),
    ).toEqual(["2 changed since b", "user: x", "assistant: ok"]);
  });

  test("names the tools of a call where they are others than before, and instructions that were changed", () => {
    const rows = [wrapper, ...["c1", "c2", "c3"].map((id, index) => completion(id, "root", index))];
    const [find, book] = [{ name: "find" }, { function: { name: "book" } }];
    const asked = { repeated_messages: 1, history: "same" as const, output_data: "ok" };
    expect(
      shown(rows, {
        c1: {
          ...asked,
          repeated_messages: 0,
          new_messages: [text("system", "be brief")],
          input_rest: { tools: [find] },
        },
        c2: { ...asked, new_messages: [text("user", "a")], input_rest: { tools: [find] } },
        c3: { ...asked, new_messages: [text("system", "be long")], input_rest: { tools: [find, book] } },
      }),
    ).toEqual([
      "given find",
      "system: be brief",
      "assistant: ok",
      "1 as before, 1 tools",
      "user: a",
      "assistant: ok",
      "1 as before",
      'given find,book {"added":["book"],"removed":[],"changed":[]}',
      "system: be long (was be brief)",
      "assistant: ok",
    ]);
  });

  test("puts the results of tools at their calls, by id, by name and by arguments", () => {
    const rows = [
      wrapper,
      completion("c1", "root", 1),
      tool("t2", "root", 2, "f"),
      tool("t1", "root", 3, "f"),
      completion("c2", "root", 4),
    ];
    expect(
      shown(rows, {
        c1: {
          new_messages: [text("user", "go")],
          output_data: answer(
            { type: "text", text: "I look." },
            call("a", "f", { n: 1 }),
            call("b", "f", { n: 2 }),
            call("m", "g", {}),
          ),
        },
        t2: { input_data: { n: 2 }, output_data: "two" },
        t1: { input_data: { n: 1 }, output_data: "one" },
        c2: {
          new_messages: [result("a", "one"), result("b", "two"), result("m", "from the message")],
          repeated_messages: 2,
          output_data: answer({ type: "text", text: "done" }),
        },
      }),
    ).toEqual([
      "user: go",
      "assistant: I look.",
      ['f({"n":1}) → "one" @t1', 'f({"n":2}) → "two" @t2', 'g({}) → "from the message" @-'],
      "2 as before",
      "assistant: done",
    ]);
  });

  test("shows a result whose call is not there, and a tool that nobody called", () => {
    const rows = [wrapper, tool("t", "root", 1, "f"), completion("c", "root", 2)];
    expect(
      shown(rows, {
        t: { input_data: 1, output_data: 0 },
        c: { new_messages: [result("x", "lost")], output_data: "ok" },
      }),
    ).toEqual([["f(1) → 0 @t"], "tool: tool_result", "assistant: ok"]);
  });

  test("has agents below the root as sections, and no place for wrappers", () => {
    const rows = [
      row("http", null, { operation_type: "http" }),
      row("root", "http", { depth: 1, operation_type: "agent" }),
      row("chain", "root", { depth: 2, operation_type: "chain" }),
      row("agent", "chain", { depth: 3, operation_type: "agent", start_offset_ms: 2 }),
      completion("inner", "agent", 3, { depth: 4 }),
      completion("outer", "chain", 1, { depth: 3 }),
      row("embed", "chain", { depth: 3, operation_type: "embedding", start_offset_ms: 9 }),
    ];
    const said = (words: string) => ({ new_messages: [text("user", words)], output_data: `${words}!` });
    expect(shown(rows, { inner: said("in"), outer: said("out") })).toEqual([
      "user: out",
      "assistant: out!",
      { agent: ["user: in", "assistant: in!"] },
      "step embed",
    ]);
  });

  test("shows failures: of a call, of a wrapper by itself, and of a call whose payload is not loaded", () => {
    const failed = { status: "error" as const };
    const rows = [
      row("root", null, { ...failed, operation_type: "agent" }),
      completion("c1", "root", 1, failed),
      row("w", "root", { operation_type: "chain", start_offset_ms: 2, ...failed }),
      completion("c2", "root", 3),
    ];
    expect(shown(rows, { c1: { new_messages: [text("user", "x")] } })).toEqual([
      "user: x",
      "step c1",
      "step w",
      "step c2",
    ]);
  });

  test("of a trace without a model call has the root's own words", () => {
    const rows = [wrapper, tool("t", "root", 1, "f")];
    expect(
      shown(rows, {
        root: { input_data: { prompt: "do it" }, output_data: "did it" },
        t: { input_data: 1, output_data: 2 },
      }),
    ).toEqual(["user: do it", ["f(1) → 2 @t"], "assistant: did it"]);
    expect(
      shown([row("only", null, { operation_type: "other" })], {
        only: { input_data: "a", output_data: "b" },
      }),
    ).toEqual(["user: a", "assistant: b"]);
  });

  test("shows a call once that a framework and the client below it report", () => {
    const rows = [
      wrapper,
      completion("outer", "root", 1),
      completion("inner", "outer", 2, { depth: 2 }),
      completion("next", "root", 3),
      completion("silent", "next", 4, { depth: 2 }),
    ];
    const asked = { new_messages: [text("user", "hi")], output_data: answer(call("a", "f", 1)) };
    const payloads = {
      outer: asked,
      inner: { ...asked, new_messages: [], repeated_messages: 1, history: "changed" as const },
      next: { new_messages: [result("a", 7)], output_data: answer({ type: "text", text: "ok" }) },
      silent: {},
    };
    expect(shown(rows, payloads)).toEqual(["user: hi", ["f(1) → 7 @-"], "assistant: ok"]);
    const silent = completion("silent", "root", 2);
    const between = [wrapper, completion("outer", "root", 1), silent, completion("next", "root", 3)];
    expect(shown(between, payloads)).toEqual(["user: hi", ["f(1) → 7 @-"], "assistant: ok"]);
  });

  test("shows the attempts of a call, and not what the call around them repeats", () => {
    const rows = [
      wrapper,
      completion("outer", "root", 1),
      completion("a", "outer", 2, { depth: 2, status: "error" }),
      completion("b", "outer", 3, { depth: 2 }),
    ];
    const hi = { new_messages: [text("user", "hi")] };
    const ok = { output_data: answer({ type: "text", text: "ok" }) };
    expect(shown(rows, { outer: { ...hi, ...ok }, a: hi, b: { ...ok, repeated_messages: 1 } })).toEqual([
      "user: hi",
      "step a",
      "1 as before",
      "assistant: ok",
    ]);
  });

  test("of 5,000 levels needs no recursion", () => {
    const rows = Array.from({ length: 5000 }, (_, index) =>
      row(`d${index}`, index ? `d${index - 1}` : null, { depth: index }),
    );
    rows.push(completion("c", "d4999", 1, { depth: 5000 }));
    expect(shown(rows, { c: { new_messages: [text("user", "deep")], output_data: "ok" } })).toEqual([
      "user: deep",
      "assistant: ok",
    ]);
  });
});

test("the entry of a tool's span is that of its call", () => {
  const tree = treeOf([wrapper, completion("c", "root", 1), tool("t", "root", 2, "f")]);
  const payloads = new Map([
    ["c", { output_data: answer(call("a", "f", {})), input_data: "x" } as unknown as SpanOfPage],
  ]);
  const entries = transcriptOf(tree.roots, payloads);
  expect(entryOf(entries, "t")).toBe("c:calls:0");
  expect(entryOf(entries, "nothing")).toBeNull();
});

test("the call around a span is the nearest in the same run", () => {
  const rows = [
    wrapper,
    completion("c", "root", 1),
    row("http", "c", { depth: 2, operation_type: "http" }),
    completion("inner", "http", 2, { depth: 3 }),
    tool("t", "c", 3, "f", { depth: 2 }),
    completion("apart", "t", 4, { depth: 3 }),
  ];
  const { spans } = treeOf(rows);
  const around = (id: string) => callAround(spans.get(id)!)?.key ?? null;
  expect([around("inner"), around("t"), around("apart"), around("c")]).toEqual(["c", "c", null, null]);
});
