/** The rows of a tree that are visible, given what is collapsed. */

import { ancestorsOf, failuresOf, type SpanNode, type Tree, type TreeNode } from "./tree.ts";

export interface Row {
  node: TreeNode;
  /** The number of nodes above it, as shown. */
  level: number;
  /** Its number among its siblings, from 1, and how many they are. */
  position: number;
  siblings: number;
  /** Null if it has nothing to expand. */
  open: boolean | null;
}

/** What the reader has collapsed or expanded, by the key of a node. */
export type Toggled = ReadonlyMap<string, boolean>;

/** A trace of up to so many spans opens with all of its steps, a larger one down to a depth of two. */
const SMALL_TRACE = 80;
const DEPTH_OF_LARGE = 2;
const FAILURES_SHOWN = 50;

/** The nodes that are open although no reader has touched them. Groups are closed: they are one row. */
export function openByDefault(tree: Tree): ReadonlySet<string> {
  const open = new Set<string>();
  const small = tree.spans.size <= SMALL_TRACE;
  for (const node of tree.nodes.values()) {
    if (node.kind === "span" && node.children.length && (small || node.row.depth < DEPTH_OF_LARGE))
      open.add(node.key);
  }
  for (const failure of failuresOf(tree).slice(0, FAILURES_SHOWN)) {
    if (wasMadeGood(failure)) continue;
    for (const above of ancestorsOf(failure)) open.add(above.key);
  }
  return open;
}

function wasMadeGood(node: SpanNode): boolean {
  return node.parent?.kind === "attempts" && node.parent.outcome === "answered";
}

/** The visible rows, of the whole tree or below one node. Without recursion: traces have any depth. */
export function rowsOf(
  tree: Tree,
  open: ReadonlySet<string>,
  toggled: Toggled,
  root: TreeNode | null = null,
): Row[] {
  const rows: Row[] = [];
  const waiting: Row[] = [];
  const push = (nodes: readonly TreeNode[], level: number): void => {
    for (let index = nodes.length - 1; index >= 0; index--) {
      const node = nodes[index] as TreeNode;
      const isOpen = node.children.length ? (toggled.get(node.key) ?? open.has(node.key)) : null;
      waiting.push({ node, level, position: index + 1, siblings: nodes.length, open: isOpen });
    }
  };
  push(root ? [root] : tree.roots, 0);
  for (let row = waiting.pop(); row; row = waiting.pop()) {
    rows.push(row);
    if (row.open) push(row.node.children, row.level + 1);
  }
  return rows;
}

/** The key of the visible row for a node: its own, or that of the nearest node above that is visible. */
export function visibleKey(node: TreeNode, rows: ReadonlyMap<string, number>): string | null {
  if (rows.has(node.key)) return node.key;
  for (const above of ancestorsOf(node)) if (rows.has(above.key)) return above.key;
  return null;
}
