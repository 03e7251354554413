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

/** A trace of up to so many spans opens with all of them. */
const SHOWN_WHOLE = 20;
/** A larger one opens level by level, while the rows stay as few as this; but always with the level below its root. */
const FEW_ROWS = 15;
/** From so many spans on, a trace opens down to a depth of two, whatever that makes. */
const LARGE_TRACE = 80;
const DEPTH_OF_LARGE = 2;
const FAILURES_SHOWN = 50;

/** Whether a trace opens with its steps as rows: one for a model call and its tools. */
export const opensInSteps = (spans: number): boolean => spans > SHOWN_WHOLE;

/** The nodes that are open although no reader has touched them. Groups are closed: they are one row. */
export function openByDefault(tree: Tree): Set<string> {
  const open = new Set<string>();
  const { size } = tree.spans;
  if (opensInSteps(size) && size <= LARGE_TRACE) {
    for (const node of fewRows(tree)) open.add(node.key);
  } else {
    for (const node of tree.spans.values())
      if (node.children.length && (size <= SHOWN_WHOLE || node.row.depth < DEPTH_OF_LARGE))
        open.add(node.key);
  }
  for (const failure of failuresOf(tree).slice(0, FAILURES_SHOWN)) {
    if (wasMadeGood(failure)) continue;
    for (const above of ancestorsOf(failure)) open.add(above.key);
  }
  return open;
}

/** The spans to open from the roots on, a whole level at a time, so that the rows stay few. */
function fewRows(tree: Tree): SpanNode[] {
  const open: SpanNode[] = [];
  let rows = tree.roots.length;
  for (let level = tree.roots; level.length;) {
    const parents = level.filter((node) => node.kind === "span");
    const below = parents.flatMap((node) => node.children);
    if (open.length && rows + below.length > FEW_ROWS) break;
    rows += below.length;
    open.push(...parents.filter((node) => node.children.length > 0));
    level = below;
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
