import { describe, expect, test } from "vitest";
import { messagesDifference, textDifference } from "../src/content/difference.ts";
import type { Message } from "../src/content/messages.ts";
import { toolChanges, toolsOf } from "../src/content/tools.ts";

const said = (role: string, text: string): Message => ({ role, parts: [{ type: "text", text }] });

describe("the difference of two texts", () => {
  test("has the words that were removed and added, and gives both texts again", () => {
    const [before, after] = ["prefer direct trains", "prefer fast direct trains"];
    const parts = textDifference(before, after);
    expect(parts.filter((part) => part.kind === "added").map((part) => part.text.trim())).toEqual(["fast"]);
    const without = (kind: string) => parts.filter((part) => part.kind !== kind).map((part) => part.text);
    expect([without("added").join(""), without("removed").join("")]).toEqual([before, after]);
  });

  test("ends in time for texts that have nothing in common", () => {
    const long = (word: string) => Array.from({ length: 30_000 }, (_, index) => `${word}${index}`).join(" ");
    const began = performance.now();
    const parts = textDifference(long("a"), long("b"));
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(parts.some((part) => part.kind === "removed")).toBe(true);
  });
});

describe("the difference of two conversations", () => {
  const [system, one, two] = [said("system", "s"), said("user", "one"), said("assistant", "two")];

  test("counts what is the same, and pairs messages of one role", () => {
    const short = said("user", "a summary");
    expect(messagesDifference([system, one, two], [system, short])).toEqual([
      { kind: "same", count: 1 },
      { kind: "changed", before: one, after: short },
      { kind: "removed", message: two },
    ]);
  });

  test("has messages that were only added or only removed", () => {
    expect(messagesDifference([one], [system, one, two])).toEqual([
      { kind: "added", message: system },
      { kind: "same", count: 1 },
      { kind: "added", message: two },
    ]);
    expect(messagesDifference([one, two], [two])).toEqual([
      { kind: "removed", message: one },
      { kind: "same", count: 1 },
    ]);
    expect(messagesDifference([one], [two])).toEqual([
      { kind: "removed", message: one },
      { kind: "added", message: two },
    ]);
  });
});

describe("definitions of tools", () => {
  const schema = JSON.stringify({ type: "function", function: { name: "find", parameters: {} } });

  test.each([
    ["in the input", { tools: [{ name: "find", input_schema: {} }] }, null],
    ["of OpenAI", { tools: [{ type: "function", function: { name: "find" } }] }, null],
    ["of the older OpenAI", { functions: [{ name: "find" }] }, null],
    ["of OpenTelemetry", null, { attributes: { gen_ai: { tool: { definitions: `[${schema}]` } } } }],
    ["by a name with dots", null, { attributes: { "gen_ai.tool.definitions": [{ name: "find" }] } }],
    [
      "of OpenInference",
      null,
      { attributes: { llm: { tools: { "0": { tool: { json_schema: schema } } } } } },
    ],
    ["of OpenLLMetry", null, { attributes: { llm: { request: { functions: { "0": { name: "find" } } } } } }],
    ["of the Vercel AI SDK", null, { attributes: { ai: { prompt: { tools: ['{"name":"find"}'] } } } }],
  ])("%s", (_, input, metadata) => {
    expect(toolsOf(input, metadata).map((tool) => tool.name)).toEqual(["find"]);
  });

  test.each([[null], [{ tools: null }], [{ tools: [1, "x", {}] }], [{ tools: "no JSON" }]])(
    "none in %j",
    (input) => {
      expect(toolsOf(input, input)).toEqual([]);
    },
  );

  test("are compared by name", () => {
    const [find, other, book] = [
      { name: "find", definition: 1 },
      { name: "find", definition: 2 },
      { name: "book", definition: 1 },
    ];
    expect(toolChanges([find], [find])).toBeNull();
    expect(toolChanges([find], [other, book])).toEqual({ added: ["book"], removed: [], changed: ["find"] });
    expect(toolChanges([find, book], [find])).toEqual({ added: [], removed: ["book"], changed: [] });
  });
});
