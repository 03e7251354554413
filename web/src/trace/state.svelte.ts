/** One open trace: its tree, what is collapsed, focused, zoomed and selected, and what a reader searches for. */

import type { Outline } from "../api/types.ts";
import { router } from "../lib/router.svelte.ts";
import { Opened } from "../lib/opened.svelte.ts";
import { openByDefault, opensInSteps, rowsOf, visibleKey, type Row } from "./rows.ts";
import { TraceSearch } from "./search.svelte.ts";
import { gapsOf, idleShare, type Interval } from "./scale.ts";
import {
  ancestorsOf,
  failuresOf,
  firstOf,
  firstSpanOf,
  spansOf,
  treeOf,
  type SpanNode,
  type Tree,
  type TreeNode,
} from "./tree.ts";

const ROWS_KEY = "tracestore.rows:";
const CONTENTS_KEY = "tracestore.contents:";
const IDLE_OFFERED = 0.5;

/** Which nodes are open by themselves. A node keeps its state while the trace grows, so nothing toggled under a reader. */
class OpenNodes {
  #decided = new Map<string, boolean>();

  of(tree: Tree): ReadonlySet<string> {
    const byRule = openByDefault(tree);
    const open = new Set<string>();
    for (const [key, node] of tree.nodes) {
      if (!this.#decided.has(key)) {
        const wasShown = node.kind !== "span" && spansOf(node).some((span) => this.#decided.has(span.key));
        this.#decided.set(key, wasShown || (node.children.length > 0 && byRule.has(key)));
      } else if (!this.#decided.get(key) && this.#hadNoChildren.delete(key) && byRule.has(key)) {
        this.#decided.set(key, true);
      }
      if (!node.children.length) this.#hadNoChildren.add(key);
      if (this.#decided.get(key)) open.add(key);
    }
    return open;
  }

  /** Spans that had nothing to expand when they were decided. */
  #hadNoChildren = new Set<string>();
}

export class TraceState {
  readonly id: string;
  outline = $state.raw<Outline | null>(null);
  /** The rows that a reader expanded or collapsed. */
  readonly toggled: Opened;
  /** What a reader opened in the transcript and in the details. */
  readonly contents: Opened;
  /** What is searched for in it. */
  readonly search: TraceSearch;

  /** Whether what comes at the end is shown as it comes. */
  followsEnd = $state(false);

  readonly #openNodes = new OpenNodes();

  /** Whether steps are rows. It is decided once: while a trace grows, no row gets another one above it. */
  #inSteps: boolean | null = null;

  readonly tree: Tree = $derived.by(() => {
    const outline = this.outline?.trace.outline ?? [];
    if (outline.length) this.#inSteps ??= opensInSteps(outline.length);
    return treeOf(outline, { steps: this.#inSteps === true });
  });
  readonly open: ReadonlySet<string> = $derived.by(() => {
    switch (router.get("open")) {
      case "all":
        return new Set(this.tree.nodes.keys());
      case "none":
        return new Set();
      default:
        return this.#openNodes.of(this.tree);
    }
  });
  /** Spans that the search found, with an excerpt of where. */
  readonly matches: ReadonlyMap<string, string> = $derived.by(() => this.search.matches);
  /** The same in the order of the tree. */
  readonly matched: SpanNode[] = $derived(
    this.matches.size ? [...this.tree.spans.values()].filter((node) => this.matches.has(node.key)) : [],
  );
  readonly focus: TreeNode | null = $derived(this.tree.nodes.get(router.get("root") ?? "") ?? null);
  readonly rows: Row[] = $derived.by(() => rowsOf(this.tree, this.open, this.toggled.toggled, this.focus));
  readonly indexes: ReadonlyMap<string, number> = $derived(
    new Map(this.rows.map((row, index) => [row.node.key, index])),
  );
  readonly failures: SpanNode[] = $derived(failuresOf(this.tree));
  readonly first: TreeNode | null = $derived(this.#shownFirst());

  /** The selected node: that of the address, or the one with which the trace opens. */
  readonly selected: TreeNode | null = $derived(this.tree.nodes.get(router.get("span") ?? "") ?? this.first);
  /** The spans of the selected node: itself, or those of a group. */
  readonly selectedSpans: ReadonlySet<string> = $derived(
    new Set(this.selected ? spansOf(this.selected).map((span) => span.key) : []),
  );
  /** The nodes above the selected one. */
  readonly selectedAbove: ReadonlySet<string> = $derived(
    new Set(this.selected ? [...ancestorsOf(this.selected)].map((node) => node.key) : []),
  );
  /** The row that stands for the selected node: its own, or that of a collapsed node above it. */
  readonly selectedKey: string | null = $derived(
    this.selected ? visibleKey(this.selected, this.indexes) : null,
  );

  readonly whole: Interval = $derived.by(() => {
    const { focus, tree } = this;
    const start = focus?.start ?? tree.start;
    const end = Math.max(focus ? (focus.end ?? tree.end) : tree.end, start + 1e-3);
    return { start, end };
  });
  readonly window: Interval = $derived(zoomOf(router.get("zoom")) ?? this.whole);
  readonly gaps: Interval[] = $derived(
    gapsOf(
      this.whole,
      [...this.tree.spans.values()]
        .filter((node) => node.children.length === 0)
        .map((node) => ({ start: node.start, end: node.end ?? this.tree.end })),
    ),
  );
  readonly idle: number = $derived(idleShare(this.whole, this.gaps));
  readonly offersSqueeze: boolean = $derived(this.idle >= IDLE_OFFERED);

  /** The rows with a match, their own or one that is collapsed in them. */
  readonly matchedRows: ReadonlySet<string | null> = $derived.by(
    () => new Set(this.matched.map((node) => visibleKey(node, this.indexes))),
  );

  constructor(id: string) {
    this.id = id;
    this.search = new TraceSearch(id, () => this.tree.spans);
    this.toggled = new Opened(ROWS_KEY + id);
    this.contents = new Opened(CONTENTS_KEY + id);
  }

  /** Whether long idle times are squeezed in the time line. */
  get squeezed(): boolean {
    return router.get("squeeze") !== null;
  }

  set squeezed(on: boolean) {
    router.set({ squeeze: on ? "1" : null }, { replace: true });
  }

  select(node: TreeNode, { replace = true } = {}): void {
    this.reveal(node);
    router.set({ span: node.key, msg: null }, { replace });
  }

  /** Select a message of the transcript, with the span that it belongs to. */
  selectMessage(node: TreeNode, message: string): void {
    this.reveal(node);
    router.set({ span: node.key, msg: message }, { replace: true });
  }

  /** Select the row before or after the selected one. */
  step(by: number): void {
    const index = this.indexes.get(this.selectedKey ?? "") ?? -1;
    const row = this.rows[Math.max(0, Math.min(this.rows.length - 1, index + by))];
    if (row) this.select(row.node);
  }

  /** Expand everything above a node. */
  reveal(node: TreeNode): void {
    if (this.indexes.has(node.key)) return;
    if (this.focus && ![...ancestorsOf(node)].includes(this.focus))
      router.set({ root: null }, { replace: true });
    const toggled = new Map(this.toggled.toggled);
    for (const above of ancestorsOf(node)) toggled.set(above.key, true);
    this.toggled.replace(toggled);
  }

  setOpen(node: TreeNode, open: boolean): void {
    if (node.children.length) this.toggled.set(node.key, open);
  }

  setAllOpen(open: boolean): void {
    this.toggled.replace(new Map());
    router.set({ open: open ? "all" : "none" }, { replace: true });
  }

  isOpen(node: TreeNode): boolean {
    return this.toggled.has(node.key, this.open.has(node.key));
  }

  /** The next failure in the order of the tree, from the selected node on. */
  nextFailure(by: 1 | -1): boolean {
    return this.#next(this.failures, by);
  }

  /** The next match of the search. */
  nextMatch(by: 1 | -1): boolean {
    return this.#next(this.matched, by);
  }

  zoom(interval: Interval | null): void {
    router.set({ zoom: interval ? `${+interval.start.toFixed(3)}..${+interval.end.toFixed(3)}` : null });
  }

  focusOn(node: TreeNode | null): void {
    router.set({ root: node?.key ?? null, zoom: null });
  }

  #next(among: readonly SpanNode[], by: 1 | -1): boolean {
    if (!among.length) return false;
    const order = new Map([...this.tree.spans.keys()].map((key, index) => [key, index]));
    const selected = this.selected;
    const at = (selected && order.get(firstSpanOf(selected).key)) ?? -1;
    const ahead =
      by === 1
        ? (among.find((node) => (order.get(node.key) ?? 0) > at) ?? among[0])
        : (among.findLast((node) => (order.get(node.key) ?? 0) < at) ?? among.at(-1));
    if (ahead) this.select(ahead);
    return true;
  }

  #shownFirst(): TreeNode | null {
    const first = firstOf(this.tree);
    const focus = this.focus;
    return focus && first && first !== focus && ![...ancestorsOf(first)].includes(focus) ? focus : first;
  }
}

/** `120..3400` of the address: milliseconds from the start of the trace. */
function zoomOf(text: string | null): Interval | null {
  const match = /^(-?[\d.]+)\.\.(-?[\d.]+)$/.exec(text ?? "");
  const [start, end] = [Number(match?.[1]), Number(match?.[2])];
  return match && end > start ? { start, end } : null;
}
