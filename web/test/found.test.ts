import { describe, expect, test } from "vitest";
import { countsOf, foundInOutline, joined, matchesOf, storedIn } from "../src/trace/found.ts";
import { treeOf } from "../src/trace/tree.ts";
import { row } from "./outlines.ts";

const spans = treeOf([
  row("a", null, { span_name: "plan Lisbon" }),
  row("b", "a", { tool_name: "weather", error_message: "no LISBON here" }),
  row("c", "a", { preview: "Lisbon" }),
]).spans;

describe("the search in a trace", () => {
  test("finds names and errors in the outline, in any case", () => {
    expect([...foundInOutline(spans, "lisbon")].map(([key, found]) => [key, [...found.keys()]])).toEqual([
      ["a", ["names"]],
      ["b", ["errors"]],
    ]);
    expect(foundInOutline(spans, "").size).toBe(0);
  });

  test("joins what is stored, counts each part, and shows the chosen parts", () => {
    const stored = storedIn([
      { span_id: "a", matched_in: [{ field: "input", excerpt: "to Lisbon" }] },
      {
        span_id: "c",
        matched_in: [
          { field: "output", excerpt: "Lisbon" },
          { field: "events", excerpt: "at Lisbon" },
          { field: "links", excerpt: "of Lisbon" },
        ],
      },
    ]);
    const found = joined(foundInOutline(spans, "lisbon"), stored);
    expect(Object.fromEntries(countsOf(found))).toEqual({
      names: 1,
      errors: 1,
      inputs: 1,
      outputs: 1,
      metadata: 1,
    });
    expect([...matchesOf(found, new Set()).keys()]).toEqual(["a", "b", "c"]);
    expect([...matchesOf(found, new Set(["inputs", "errors"]))]).toEqual([
      ["a", "Inputs: to Lisbon"],
      ["b", "Errors: no LISBON here"],
    ]);
  });
});
