import { describe, expect, test } from "vitest";
import type { Changes, Outline, TraceSummary } from "../src/api/types.ts";
import { exactly, isFilter, parametersOf, parsed, rangeOf, tokenOf, valueOf } from "../src/list/filters.ts";
import { bytes, compact, cost, duration, exactCost, percent, relative, visible } from "../src/lib/format.ts";
import { applied } from "../src/trace/changes.ts";
import { row } from "./outlines.ts";

describe("numbers in words", () => {
  test.each([
    [null, "–"],
    [0, "0 ms"],
    [0.25, "250 µs"],
    [0.0046, "4.6 µs"],
    [0.9994, "999 µs"],
    [0.9996, "1 ms"],
    [340, "340 ms"],
    [999.6, "1.00 s"],
    [1900, "1.90 s"],
    [12_340, "12.3 s"],
    [59_949, "59.9 s"],
    [59_990, "1m 00s"],
    [125_000, "2m 05s"],
    [3_599_700, "1h 00m"],
    [12_000_000, "3h 20m"],
    [200_000_000, "2.3 d"],
  ])("a duration of %s ms is %s", (ms, text) => expect(duration(ms)).toBe(text));

  test.each([
    [null, "?"],
    [0, "$0"],
    [0.000000001, "0.001 µ$"],
    [0.0000635, "64 µ$"],
    [0.00012, "$0.00012"],
    [0.0345, "$0.035"],
    [0.994, "$0.99"],
    [0.996, "$1.00"],
    [1234.5, "$1,234.50"],
  ])("a cost of %s dollars is %s", (dollars, text) => expect(cost(dollars)).toBe(text));

  test("a cost in full has up to nine decimals", () => {
    expect([exactCost(0.000000001), exactCost(0.1), exactCost(null)]).toEqual([
      "$0.000000001",
      "$0.1",
      "unknown",
    ]);
  });

  test("tokens, shares and sizes", () => {
    expect([compact(943), compact(12_408), compact(1_250_000)]).toEqual(["943", "12.4k", "1.25M"]);
    expect([percent(0), percent(0.0049), percent(0.76)]).toEqual(["0 %", "0.49 %", "76 %"]);
    expect([bytes(12), bytes(312_400), bytes(7_240_000)]).toEqual(["12 B", "312 KB", "7.24 MB"]);
  });

  test("ages and ends", () => {
    const now = Date.parse("2026-11-28T12:00:00Z");
    expect(relative("2026-11-28T11:57:00Z", now)).toBe("3 min ago");
    expect(relative("2026-12-27T12:00:00Z", now)).toBe("in 29 d");
  });

  test("control characters are visible", () => {
    expect(visible("a\u202eb\u0007c\nd\te\r\n")).toBe("a⟨U+202E⟩b⟨U+0007⟩c\nd\te\n");
  });
});

describe("filters", () => {
  test("what is typed becomes a parameter of the API", () => {
    const model = parsed("model: not gpt-4o");
    expect(model && [model.field.name, valueOf(model.field, model.value)]).toEqual(["model_name", "!gpt-4o"]);
    const status = parsed("status: failed");
    expect(status && valueOf(status.field, status.value)).toBe("error");
    expect(parsed("metadata.tenant: acme")?.field.name).toBe("metadata.tenant");
    expect(parsed("just a text")).toBeNull();
    expect(parsed("https://example.com")).toBeNull();
  });

  test("tokens are in words", () => {
    expect(tokenOf("status", "error").text).toBe("status: failed");
    expect(tokenOf("model_name", "!gpt-4o").text).toBe("model: not gpt-4o");
    expect(tokenOf("model_name", "\\!x").text).toBe("model: !x");
  });

  test.each(["x", "!x", "\\!x", "\\\\x", "\\x", "x!"])(
    "the value %s is itself, and is not negated",
    (value) => {
      expect(tokenOf("model_name", exactly(value)).text).toBe(`model: ${value}`);
      expect(tokenOf("model_name", `!${exactly(value)}`).text).toBe(`model: not ${value}`);
    },
  );

  test("traces without a model call are hidden unless they are asked for", () => {
    const now = Date.parse("2026-11-28T12:00:30Z");
    expect(parametersOf(new URLSearchParams("status=error&sel=x"), now, "UTC")).toEqual({
      status: ["error"],
      has_model_call: ["true"],
      start_date: "2026-11-21T12:00:00.000Z",
    });
    expect(parametersOf(new URLSearchParams("all=1&range=all"), now, "UTC")).toEqual({});
    expect(parametersOf(new URLSearchParams("conversation_id=c&range=all"), now, "UTC")).toEqual({
      conversation_id: ["c"],
    });
  });

  test("a range by its ends goes before one by its length", () => {
    expect(rangeOf(new URLSearchParams("from=a&to=b&range=1h"), 0, "UTC")).toEqual({
      start_date: "a",
      end_date: "b",
    });
    expect(isFilter("score.quality>")).toBe(true);
    expect(isFilter("span")).toBe(false);
  });
});

describe("changes of a running trace", () => {
  const summary = { trace_id: "t" } as TraceSummary;
  const outline: Outline = {
    trace: { summary, outline: [row("a", null), row("b", "a"), row("c", "a")] },
    next_cursor: null,
    version: "1",
  };

  test("replace, add and remove rows, and leave the other rows as they are", () => {
    const changed = row("b", "a", { status: "error" });
    const changes: Changes = {
      trace: { summary, changed: [changed, row("d", "a")], gone: ["c"] },
      version: "2",
      full: false,
    };
    const after = applied(outline, changes);
    expect(after.trace.outline.map((span) => span.span_id)).toEqual(["a", "b", "d"]);
    expect(after.trace.outline[0]).toBe(outline.trace.outline[0]);
    expect(after.trace.outline[1]).toBe(changed);
    expect(after.version).toBe("2");
  });
});
