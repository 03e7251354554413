/**
 * The tree of a trace, from the flat outline of the API: spans, and the groups in which a reader wants to see them. The
 * attempts of one call are one node, and so is a loop: four or more consecutive siblings with one name and kind. In a
 * trace of many spans, a model call and the tools that run after it are one node as well: a step of an agent.
 */

import type { OutlineSpan } from "../api/types.ts";

export const LOOP_MIN = 4;

interface NodeBase {
  /** Unique in the tree: the id of a span, or one made from the ids of a group. */
  key: string;
  parent: TreeNode | null;
  children: TreeNode[];
  /** Milliseconds from the start of the trace. The end of a running span is null. */
  start: number;
  end: number | null;
  /** The number of spans in this node and below it, and how many of them failed. */
  spans: number;
  errors: number;
}

export interface SpanNode extends NodeBase {
  kind: "span";
  row: OutlineSpan;
  /** Of a failed span with a failed span below it: the first of those that failed by themselves. The error came from there. */
  cause: SpanNode | null;
}

export interface AttemptsNode extends NodeBase {
  kind: "attempts";
  children: SpanNode[];
  outcome: "failed" | "answered" | "superseded" | null;
}

export interface LoopNode extends NodeBase {
  kind: "loop";
  children: SpanNode[];
}

/** A model call, which may be several attempts, and the tools that run before the next one. */
export interface StepNode extends NodeBase {
  kind: "step";
  children: (SpanNode | AttemptsNode | LoopNode)[];
}

export type GroupNode = AttemptsNode | LoopNode | StepNode;
export type TreeNode = SpanNode | GroupNode;

export interface Tree {
  roots: TreeNode[];
  /** Each span by its id, in the order of the tree. */
  spans: Map<string, SpanNode>;
  /** The nodes by key, groups included. */
  nodes: Map<string, TreeNode>;
  /** The last known end of all spans, in milliseconds from the start of the trace. */
  end: number;
  /** The earliest start: 0, or less if a span began before the trace's start. */
  start: number;
}

/**
 * The tree of an outline in any order: each row is below its parent, or is a root if its depth is 0. `steps` makes nodes
 * of the steps of agents.
 */
export function treeOf(outline: readonly OutlineSpan[], { steps = false } = {}): Tree {
  const spans = new Map<string, SpanNode>();
  let start = 0;
  let end = 0;
  for (const row of outline) {
    const begins = row.start_offset_ms;
    const ends = row.duration_ms === undefined ? null : begins + row.duration_ms;
    spans.set(row.span_id, {
      kind: "span",
      key: row.span_id,
      row,
      parent: null,
      children: [],
      start: begins,
      end: ends,
      spans: 1,
      errors: row.status === "error" ? 1 : 0,
      cause: null,
    });
    start = Math.min(start, begins);
    end = Math.max(end, ends ?? begins);
  }
  const roots: SpanNode[] = [];
  for (const node of spans.values()) {
    const parent = node.row.depth === 0 ? undefined : spans.get(node.row.parent_span_id ?? "");
    if (parent === undefined || parent === node) {
      roots.push(node);
    } else {
      node.parent = parent;
      parent.children.push(node);
    }
  }
  const ordered = inTreeOrder(roots);
  summarise(ordered);
  const nodes = new Map<string, TreeNode>();
  const groups = (siblings: SpanNode[], parent: TreeNode | null): TreeNode[] => {
    const result = grouped(siblings, parent, nodes);
    return steps ? inSteps(result, parent, nodes) : result;
  };
  const tree = { roots: groups(roots, null), spans: new Map<string, SpanNode>(), nodes, start, end };
  for (const node of ordered) {
    node.children = groups(node.children as SpanNode[], node);
    nodes.set(node.key, node);
    tree.spans.set(node.key, node);
  }
  return tree;
}

const ended = (node: TreeNode): number => node.end ?? Number.MAX_VALUE;

const bySpan = (a: TreeNode, b: TreeNode): number =>
  a.start - b.start || ended(a) - ended(b) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

/** All spans, parents first, siblings by their start, then by their duration. Without recursion: traces have any depth. */
function inTreeOrder(roots: SpanNode[]): SpanNode[] {
  const ordered: SpanNode[] = [];
  const waiting = roots.sort(bySpan).toReversed();
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    ordered.push(node);
    node.children.sort(bySpan);
    for (let index = node.children.length - 1; index >= 0; index--)
      waiting.push(node.children[index] as SpanNode);
  }
  return ordered;
}

/** Add up spans and errors from the leaves on, and find the cause of each failure that was passed on. */
function summarise(ordered: SpanNode[]): void {
  const failedBelow = new Map<SpanNode, SpanNode>();
  for (let index = ordered.length - 1; index >= 0; index--) {
    const node = ordered[index] as SpanNode;
    for (const child of node.children as SpanNode[]) {
      node.spans += child.spans;
      node.errors += child.errors;
      const failed = failedBelow.get(child) ?? (child.row.status === "error" ? child : null);
      if (failed && !failedBelow.has(node)) failedBelow.set(node, failed);
    }
    if (node.row.status === "error") node.cause = failedBelow.get(node) ?? null;
  }
}

/** Siblings, with the attempts of one call and the rounds of a loop as one node each. */
function grouped(
  siblings: SpanNode[],
  parent: TreeNode | null,
  nodes: Map<string, TreeNode>,
): (SpanNode | AttemptsNode | LoopNode)[] {
  if (siblings.length < 2) return siblings;
  const result: (SpanNode | AttemptsNode | LoopNode)[] = [];
  const attempts = attemptsOf(siblings);
  for (let index = 0; index < siblings.length;) {
    const node = siblings[index] as SpanNode;
    const group = attempts.get(node.row.attempt?.group ?? "");
    if (group) {
      if (group[0] === node) result.push(groupNode("attempts", group, parent, nodes));
      index++;
      continue;
    }
    let last = index + 1;
    while (last < siblings.length && isSameStep(node, siblings[last] as SpanNode)) last++;
    if (last - index >= LOOP_MIN) {
      result.push(groupNode("loop", siblings.slice(index, last), parent, nodes));
      index = last;
    } else {
      result.push(node);
      index++;
    }
  }
  return result;
}

/** The calls among siblings that were attempted more than once, by their group. */
export function attemptsOf(siblings: readonly SpanNode[]): Map<string, SpanNode[]> {
  const groups = new Map<string, SpanNode[]>();
  for (const node of siblings) {
    const group = node.row.attempt?.group;
    if (!group) continue;
    const members = groups.get(group);
    if (members) members.push(node);
    else groups.set(group, [node]);
  }
  for (const [group, members] of groups) {
    if (members.length < 2) groups.delete(group);
    else members.sort((a, b) => (a.row.attempt?.number ?? 0) - (b.row.attempt?.number ?? 0) || bySpan(a, b));
  }
  return groups;
}

function isSameStep(a: SpanNode, b: SpanNode): boolean {
  return (
    a.row.span_name === b.row.span_name && a.row.operation_type === b.row.operation_type && !b.row.attempt
  );
}

/** Siblings, in which each model call is one node with the tools after it. A call without tools stays as it is. */
function inSteps(
  siblings: (SpanNode | AttemptsNode | LoopNode)[],
  parent: TreeNode | null,
  nodes: Map<string, TreeNode>,
): TreeNode[] {
  const result: TreeNode[] = [];
  for (let index = 0; index < siblings.length;) {
    const node = siblings[index] as SpanNode | AttemptsNode | LoopNode;
    let last = index + 1;
    if (node.kind !== "loop" && operationOf(node) === "completion")
      while (last < siblings.length && operationOf(siblings[last] as TreeNode) === "tool_call") last++;
    if (last - index > 1) {
      const step: StepNode = { ...groupOf("step", siblings.slice(index, last), parent), kind: "step" };
      placed(step, nodes);
      result.push(step);
    } else result.push(node);
    index = last;
  }
  return result;
}

/** The span that names a node: its own, or the first in a group. */
export function firstSpanOf(node: TreeNode): SpanNode {
  let first = node;
  while (first.kind !== "span") first = first.children[0] as TreeNode;
  return first;
}

const operationOf = (node: TreeNode): string | null | undefined => firstSpanOf(node).row.operation_type;

/** The spans that a node stands for: itself, or those of a group, without those below them. */
export function spansOf(node: TreeNode): SpanNode[] {
  return node.kind === "span" ? [node] : node.children.flatMap(spansOf);
}

/** What all groups have in common. */
function groupOf<Child extends TreeNode>(
  kind: GroupNode["kind"],
  children: Child[],
  parent: TreeNode | null,
): NodeBase & { children: Child[] } {
  return {
    key: `${kind}:${firstSpanOf(children[0] as TreeNode).key}`,
    parent,
    children,
    start: Math.min(...children.map((child) => child.start)),
    end: children.reduce<number | null>(
      (end, child) => (end === null || child.end === null ? null : Math.max(end, child.end)),
      -Infinity,
    ),
    spans: children.reduce((sum, child) => sum + child.spans, 0),
    errors: children.reduce((sum, child) => sum + child.errors, 0),
  };
}

function placed(group: GroupNode, nodes: Map<string, TreeNode>): void {
  for (const child of group.children) child.parent = group;
  nodes.set(group.key, group);
}

function groupNode(
  kind: "attempts" | "loop",
  children: SpanNode[],
  parent: TreeNode | null,
  nodes: Map<string, TreeNode>,
): AttemptsNode | LoopNode {
  const base = groupOf(kind, children, parent);
  const node: AttemptsNode | LoopNode =
    kind === "attempts"
      ? { ...base, kind, outcome: children.at(-1)?.row.attempt?.outcome ?? null }
      : { ...base, kind };
  placed(node, nodes);
  return node;
}

/** The sum of tokens and cost over a node: what the spans in it counted, each call once. */
export function totalsOf(node: TreeNode): { tokens: number; cost: number | null; wasted: boolean } {
  if (node.kind === "span") {
    const { row } = node;
    if (row.subtree)
      return { tokens: row.subtree.tokens, cost: row.subtree.cost_usd, wasted: row.wasted ?? false };
    return {
      tokens: row.counted && row.not_counted !== "tokens" ? (row.total_tokens ?? 0) : 0,
      cost: row.counted && row.not_counted !== "cost" ? (row.cost_usd ?? null) : null,
      wasted: row.wasted ?? false,
    };
  }
  const parts = node.children.map(totalsOf);
  const costs = parts.flatMap((part) => (part.cost === null ? [] : [part.cost]));
  return {
    tokens: parts.reduce((sum, part) => sum + part.tokens, 0),
    cost: costs.length ? addDollars(costs) : null,
    wasted: parts.every((part) => part.wasted),
  };
}

/** The exact sum of dollar amounts of up to nine decimals: in whole nano-dollars. */
export function addDollars(amounts: readonly number[]): number {
  return amounts.reduce((sum, amount) => sum + Math.round(amount * 1e9), 0) / 1e9;
}

/** The spans that failed by themselves, in the order of the tree: not those that only passed an error on. */
export function failuresOf(tree: Tree): SpanNode[] {
  return [...tree.spans.values()].filter((node) => node.row.status === "error" && node.cause === null);
}

/**
 * The span that a reader wants to see first: the cause of the trace's failure, else the first failure that no later
 * attempt made good, else the root.
 */
export function firstOf(tree: Tree): SpanNode | null {
  const failures = failuresOf(tree);
  const root = tree.spans.values().next().value ?? null;
  if (root?.row.status === "error" && root.cause) return root.cause;
  const open = failures.find(
    (node) => !(node.parent?.kind === "attempts" && node.parent.outcome === "answered"),
  );
  return open ?? root;
}

/** The nodes above a node, the nearest first. */
export function* ancestorsOf(node: TreeNode): Generator<TreeNode> {
  for (let above = node.parent; above; above = above.parent) yield above;
}
