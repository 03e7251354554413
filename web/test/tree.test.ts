import { describe, expect, test } from "vitest";
import type { OutlineSpan } from "../src/api/types.ts";
import {
  addDollars,
  failuresOf,
  firstOf,
  firstSpanOf,
  spansOf,
  totalsOf,
  treeOf,
  type GroupNode,
  type TreeNode,
} from "../src/trace/tree.ts";
import { openByDefault, opensInSteps, rowsOf } from "../src/trace/rows.ts";
import { generated, row } from "./outlines.ts";

const everything = (): ReadonlyMap<string, boolean> => new Map();

function allOpen(nodes: ReadonlyMap<string, TreeNode>): Map<string, boolean> {
  return new Map([...nodes.keys()].map((key) => [key, true]));
}

describe("the tree of an outline", () => {
  test("has each span once, in any order of the rows", () => {
    const rows = generated(500);
    const forwards = treeOf(rows);
    const backwards = treeOf(rows.toReversed());
    expect([...forwards.spans.keys()]).toEqual([...backwards.spans.keys()]);
    expect(forwards.spans.size).toBe(500);
    const shown = rowsOf(forwards, new Set(), allOpen(forwards.nodes)).filter(
      ({ node }) => node.kind === "span",
    );
    expect(shown.map(({ node }) => node.key)).toEqual([...forwards.spans.keys()]);
  });

  test("has a span whose parent is missing as a root", () => {
    const tree = treeOf([row("a", null), row("b", "lost", { depth: 1 })]);
    expect(tree.roots.map((node) => node.key)).toEqual(["a", "b"]);
  });

  test("sorts siblings by start, then by duration, a pending one last, then by id", () => {
    const tree = treeOf([
      row("r", null),
      row("z", "r", { start_offset_ms: 1, duration_ms: 0 }),
      row("a", "r", { status: "pending", duration_ms: undefined }),
      row("d", "r", { duration_ms: 7 }),
      row("c", "r", { duration_ms: 7 }),
      row("e", "r", { duration_ms: 0 }),
    ]);
    expect(tree.spans.get("r")?.children.map((node) => node.key)).toEqual(["e", "c", "d", "a", "z"]);
  });

  test("of 100,000 spans and of 5,000 levels is built and shown", () => {
    const wide = treeOf(generated(100_000));
    expect(rowsOf(wide, new Set(), allOpen(wide.nodes)).length).toBeGreaterThanOrEqual(100_000);
    const deep = treeOf(
      Array.from({ length: 5000 }, (_, index) =>
        row(`d${index}`, index ? `d${index - 1}` : null, { depth: index }),
      ),
    );
    const rows = rowsOf(deep, new Set(), allOpen(deep.nodes));
    expect(rows.at(-1)?.level).toBe(4999);
    expect(deep.spans.get("d0")?.spans).toBe(5000);
  });

  test("knows its extent, also of spans that run or began before the trace", () => {
    const running = row("b", "a", { start_offset_ms: 900, status: "pending" });
    delete running.duration_ms;
    const tree = treeOf([
      row("a", null),
      running,
      row("early", null, { start_offset_ms: -50, clock_skew: true }),
    ]);
    expect([tree.start, tree.end]).toEqual([-50, 900]);
    expect(tree.spans.get("b")?.end).toBeNull();
  });
});

describe("attempts", () => {
  const attempt = (id: string, number: number, outcome: "failed" | "answered", provider: string) =>
    row(id, "r", {
      operation_type: "completion",
      model_provider: provider,
      start_offset_ms: number * 100,
      status: outcome === "failed" ? "error" : "success",
      attempt: { group: "one", number, outcome },
      counted: true,
      cost_usd: 0.000000001,
      ...(outcome === "failed" ? { wasted: true as const } : {}),
    });

  test("of one call are one row, in their order, wherever other spans lie between them", () => {
    const tree = treeOf([
      row("r", null, { duration_ms: 900 }),
      attempt("c2", 2, "answered", "anthropic"),
      row("tool", "r", { start_offset_ms: 150 }),
      attempt("c1", 1, "failed", "openai"),
    ]);
    const [group, tool] = tree.spans.get("r")?.children ?? [];
    expect(group).toMatchObject({
      kind: "attempts",
      outcome: "answered",
      errors: 1,
      spans: 2,
      start: 100,
      end: 300,
    });
    expect(group?.children.map((node) => node.key)).toEqual(["c1", "c2"]);
    expect(tool?.key).toBe("tool");
    expect(openByDefault(tree).has(group?.key ?? "")).toBe(false);
  });

  test("that did not help are opened, and the trace opens on its cause", () => {
    const tree = treeOf([
      row("r", null, { status: "error" }),
      attempt("c1", 1, "failed", "openai"),
      attempt("c2", 2, "failed", "openai"),
    ]);
    expect(openByDefault(tree).has("attempts:c1")).toBe(true);
    expect(firstOf(tree)?.key).toBe("c1");
  });

  test("a lone attempt stays a span", () => {
    const tree = treeOf([row("r", null), attempt("c1", 1, "answered", "openai")]);
    expect(tree.spans.get("r")?.children.map((node) => node.kind)).toEqual(["span"]);
  });
});

describe("loops", () => {
  const step = (index: number, fields = {}) =>
    row(`t${index}`, "r", {
      span_name: "search",
      operation_type: "tool_call",
      start_offset_ms: index,
      ...fields,
    });

  test("four consecutive siblings of one name and kind are one row", () => {
    const tree = treeOf([
      row("r", null),
      ...[1, 2, 3, 4].map((index) => step(index)),
      row("other", "r", { start_offset_ms: 9 }),
    ]);
    expect(tree.spans.get("r")?.children.map((node) => [node.kind, node.children.length])).toEqual([
      ["loop", 4],
      ["span", 0],
    ]);
  });

  test("three are not, nor are four with another one between them", () => {
    const three = treeOf([row("r", null), ...[1, 2, 3].map((index) => step(index))]);
    expect(three.spans.get("r")?.children).toHaveLength(3);
    const broken = treeOf([
      row("r", null),
      step(1),
      step(2),
      row("x", "r", { start_offset_ms: 2.5 }),
      step(3),
      step(4),
    ]);
    expect(broken.spans.get("r")?.children.every((node) => node.kind === "span")).toBe(true);
  });
});

describe("steps", () => {
  const call = (id: string, at: number, fields: Partial<OutlineSpan> = {}) =>
    row(id, "r", { operation_type: "completion", start_offset_ms: at, ...fields });
  const tool = (id: string, at: number, fields: Partial<OutlineSpan> = {}) =>
    row(id, "r", { operation_type: "tool_call", tool_name: id, start_offset_ms: at, ...fields });
  const agent = (): OutlineSpan[] => [
    row("r", null, { operation_type: "agent" }),
    ...Array.from({ length: 8 }, (_, step) => [
      call(`c${step}`, step * 10),
      ...[1, 2, 3, 4].map((number) => tool(`t${step}.${number}`, step * 10 + number)),
    ]).flat(),
  ];

  test("an agent of 41 spans opens as nine rows: one for each model call with its tools", () => {
    const rows = agent();
    expect(rows).toHaveLength(41);
    expect(opensInSteps(rows.length)).toBe(true);
    const tree = treeOf(rows, { steps: true });
    const shown = rowsOf(tree, openByDefault(tree), everything());
    expect(shown.map(({ node, open }) => [node.kind, open])).toEqual([
      ["span", true],
      ...Array.from({ length: 8 }, () => ["step", false]),
    ]);
    const whole = rowsOf(tree, new Set(), allOpen(tree.nodes)).filter(({ node }) => node.kind === "span");
    expect(whole).toHaveLength(41);
  });

  test("a step has the time, the failures and the sums of its spans", () => {
    const paid = { counted: true, total_tokens: 9, cost_usd: 0.000000001, duration_ms: 1 };
    const tree = treeOf(
      [
        row("r", null),
        call("c", 0, paid),
        tool("t", 5, { ...paid, duration_ms: 3, status: "error" }),
        call("last", 9),
      ],
      { steps: true },
    );
    const [step, last] = tree.spans.get("r")?.children ?? [];
    expect(step).toMatchObject({ kind: "step", key: "step:c", start: 0, end: 8, spans: 2, errors: 1 });
    expect(totalsOf(step as TreeNode)).toEqual({ tokens: 18, cost: 0.000000002, wasted: false });
    expect(last).toMatchObject({ kind: "span", key: "last" });
    expect(openByDefault(tree).has("step:c")).toBe(true);
  });

  test("attempts of a call and loops of a tool are parts of its step", () => {
    const attempted = (number: number) => ({ attempt: { group: "g", number, outcome: "answered" as const } });
    const tree = treeOf(
      [
        row("r", null),
        call("c1", 0, attempted(1)),
        call("c2", 1, attempted(2)),
        ...[2, 3, 4, 5]
          .map((at) => tool("find", at))
          .map((span, index) => ({ ...span, span_id: `f${index}`, span_name: "find" })),
      ],
      { steps: true },
    );
    const [step] = tree.spans.get("r")?.children ?? [];
    expect(step?.children.map((node) => [node.kind, node.children.length])).toEqual([
      ["attempts", 2],
      ["loop", 4],
    ]);
    expect(firstSpanOf(step as TreeNode).key).toBe("c1");
    expect(spansOf(step as GroupNode)).toHaveLength(6);
  });

  test("a larger trace opens level by level while its rows are few", () => {
    const rows = [row("r", null)];
    for (let group = 0; group < 6; group++) {
      rows.push(row(`g${group}`, "r", { depth: 1, start_offset_ms: group }));
      for (let step = 0; step < 5; step++)
        rows.push(row(`g${group}s${step}`, `g${group}`, { depth: 2, span_name: `s${step}` }));
    }
    const tree = treeOf(rows, { steps: true });
    expect(rowsOf(tree, openByDefault(tree), everything()).map(({ level }) => level)).toEqual([
      0, 1, 1, 1, 1, 1, 1,
    ]);
  });
});

describe("failures", () => {
  test("are the spans that failed by themselves; what only passed an error on is none", () => {
    const tree = treeOf([
      row("r", null, { status: "error" }),
      row("agent", "r", { depth: 1 }),
      row("tool", "agent", { depth: 2, status: "error" }),
    ]);
    expect(failuresOf(tree).map((node) => node.key)).toEqual(["tool"]);
    expect(tree.spans.get("r")?.cause?.key).toBe("tool");
    expect(tree.spans.get("agent")?.cause).toBeNull();
    expect(firstOf(tree)?.key).toBe("tool");
  });

  test("a trace without failures opens on its root", () => {
    expect(firstOf(treeOf([row("r", null), row("a", "r")]))?.key).toBe("r");
    expect(firstOf(treeOf([]))).toBeNull();
  });

  test("the path to a failure is open in a large trace", () => {
    const rows = generated(2000).map((span) => ({ ...span, status: "success" as const }));
    const deepest = rows.reduce((a, b) => (b.depth > a.depth ? b : a));
    deepest.status = "error" as never;
    const tree = treeOf(rows);
    const shown = rowsOf(tree, openByDefault(tree), everything());
    expect(shown.some(({ node }) => node.key === deepest.span_id)).toBe(true);
    expect(shown.length).toBeLessThan(tree.spans.size);
  });
});

describe("totals", () => {
  test("of all leaves of the tree add up to the sum of what counts, to the nano-dollar", () => {
    const rows = generated(3000, 7);
    const tree = treeOf(rows);
    const counted = rows.filter((span) => span.counted);
    const nodes = [...tree.spans.values()];
    expect(addDollars(nodes.map((node) => totalsOf(node).cost ?? 0))).toBe(
      addDollars(counted.map((span) => span.cost_usd ?? 0)),
    );
    expect(nodes.reduce((sum, node) => sum + totalsOf(node).tokens, 0)).toBe(
      counted.reduce((sum, span) => sum + (span.total_tokens ?? 0), 0),
    );
  });

  test("a span that repeats the usage of others has none of its own, and an unknown cost is not zero", () => {
    const [repeats] = treeOf([row("a", null, { counted: false, total_tokens: 900, cost_usd: 1 })]).roots;
    expect(totalsOf(repeats as TreeNode)).toEqual({ tokens: 0, cost: null, wasted: false });
    const [unknown] = treeOf([row("a", null, { counted: true, total_tokens: 9 })]).roots;
    expect(totalsOf(unknown as TreeNode)).toEqual({ tokens: 9, cost: null, wasted: false });
  });

  test("a thousand tenths of a nano-dollar step add up exactly", () => {
    expect(addDollars(Array.from({ length: 1000 }, () => 0.000000001))).toBe(0.000001);
    expect(addDollars([0.1, 0.2])).toBe(0.3);
  });
});

describe("rows", () => {
  test("have their level, their number among siblings, and whether they are open", () => {
    const tree = treeOf([
      row("r", null),
      row("a", "r"),
      row("b", "r", { start_offset_ms: 1 }),
      row("c", "b", { depth: 2 }),
    ]);
    const rows = rowsOf(tree, openByDefault(tree), new Map([["b", false]]));
    expect(
      rows.map(({ node, level, position, siblings, open }) => [node.key, level, position, siblings, open]),
    ).toEqual([
      ["r", 0, 1, 1, true],
      ["a", 1, 1, 2, null],
      ["b", 1, 2, 2, false],
    ]);
  });

  test("below one node begin with it", () => {
    const tree = treeOf([row("r", null), row("b", "r"), row("c", "b", { depth: 2 })]);
    expect(
      rowsOf(tree, openByDefault(tree), new Map(), tree.spans.get("b") ?? null).map(({ node, level }) => [
        node.key,
        level,
      ]),
    ).toEqual([
      ["b", 0],
      ["c", 1],
    ]);
  });
});
