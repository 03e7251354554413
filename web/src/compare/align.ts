/** Two traces as one tree: spans that correspond stand in one row. */

import { diffArrays } from "diff";
import type { OutlineSpan } from "../api/types.ts";

export type Row = OutlineSpan;

export interface Pair {
  depth: number;
  a: Row | null;
  b: Row | null;
  kind: "equal" | "changed" | "a" | "b";
  /** What differs, in words. Times and costs are not among it: they always do. */
  changes: string[];
}

interface Node {
  row: Row;
  children: Node[];
}

/** Aligning the children of one span takes no longer than this; beyond it, they are paired by their order. */
const MOST_MS = 300;

/** What makes two siblings the same step: their kind and their name. */
const identity = ({ row }: Node): string => `${row.operation_type ?? ""}\u0000${row.span_name ?? ""}`;

/** The tree of an outline, whose rows are in tree order. */
function treeOf(rows: readonly Row[]): Node[] {
  const roots: Node[] = [];
  const path: Node[] = [];
  for (const row of rows) {
    const node: Node = { row, children: [] };
    path.length = Math.min(row.depth, path.length);
    (path.at(-1)?.children ?? roots).push(node);
    path.push(node);
  }
  return roots;
}

/**
 * The rows of both outlines in one order: spans that correspond are one row, the others stand where they are in their own
 * tree. Siblings correspond by their longest common subsequence of kinds and names.
 */
export function aligned(a: readonly Row[], b: readonly Row[]): Pair[] {
  const pairs: Pair[] = [];
  // An explicit stack: traces may be deeper than the call stack of the browser.
  const open: { depth: number; a: Node | null; b: Node | null }[] = [];
  const push = (depth: number, left: readonly Node[], right: readonly Node[]) => {
    const next = siblings(left, right).map(([one, other]) => ({ depth, a: one, b: other }));
    for (let index = next.length - 1; index >= 0; index--) open.push(next[index] as (typeof open)[number]);
  };
  push(0, treeOf(a), treeOf(b));
  for (let next = open.pop(); next; next = open.pop()) {
    const changes = next.a && next.b ? changesOf(next.a.row, next.b.row) : [];
    pairs.push({
      depth: next.depth,
      a: next.a?.row ?? null,
      b: next.b?.row ?? null,
      kind: !next.b ? "a" : !next.a ? "b" : changes.length ? "changed" : "equal",
      changes,
    });
    push(next.depth + 1, next.a?.children ?? [], next.b?.children ?? []);
  }
  return pairs;
}

function siblings(a: readonly Node[], b: readonly Node[]): [Node | null, Node | null][] {
  if (!a.length || !b.length)
    return [...a.map((node): [Node, null] => [node, null]), ...b.map((node): [null, Node] => [null, node])];
  // Two lone roots are the same run, whatever their names.
  if (a.length === 1 && b.length === 1 && a[0]?.row.depth === 0) return [[a[0] as Node, b[0] as Node]];
  const changes = diffArrays(a.map(identity), b.map(identity), { timeout: MOST_MS });
  if (!changes) {
    return Array.from({ length: Math.max(a.length, b.length) }, (_, index) => [
      a[index] ?? null,
      b[index] ?? null,
    ]);
  }
  const found: [Node | null, Node | null][] = [];
  let [left, right] = [0, 0];
  for (const { value, added, removed } of changes) {
    for (let index = 0; index < value.length; index++)
      found.push([added ? null : (a[left++] as Node), removed ? null : (b[right++] as Node)]);
  }
  return found;
}

const WORDS: [string, (row: Row) => unknown][] = [
  ["status", (row) => row.status],
  ["kind", (row) => row.operation_type],
  ["name", (row) => row.span_name],
  ["model", (row) => row.model_name],
  ["provider", (row) => row.model_provider],
  ["tool", (row) => row.tool_name],
  ["error", (row) => row.error_message ?? row.error_type],
  ["ending", (row) => row.finish_reason],
  ["text", (row) => row.preview],
  // The same text has the same tokens; a preview shows only its beginning.
  ["tokens", (row) => row.total_tokens],
];

function changesOf(a: Row, b: Row): string[] {
  return WORDS.filter(([, of]) => (of(a) ?? null) !== (of(b) ?? null)).map(([word]) => word);
}

/** The key of a pair in the address: ids have no tilde. */
export const keyOf = (pair: Pick<Pair, "a" | "b">): string =>
  `${pair.a?.span_id ?? ""}~${pair.b?.span_id ?? ""}`;
