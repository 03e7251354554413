/**
 * The columns of the list: a reader may hide some, and narrow lists leave out those that matter least. An address may name
 * the columns, as those of saved views do; else this browser remembers them.
 */

import { router } from "../lib/router.svelte.ts";

const STORAGE_KEY = "tracestore.hidden-columns";

export interface Column {
  name: string;
  label: string;
  /** Width in CSS pixels. */
  width: number;
  /** The width of the list from which on there is room for it. */
  from: number;
}

export const COLUMNS: readonly Column[] = [
  { name: "kinds", label: "Inside", width: 108, from: 1001 },
  { name: "time", label: "Duration", width: 118, from: 0 },
  { name: "tokens", label: "Tokens", width: 56, from: 1001 },
  { name: "cost", label: "Cost", width: 72, from: 0 },
  { name: "spans", label: "Spans", width: 66, from: 1001 },
  { name: "when", label: "Started", width: 84, from: 0 },
];

/** The width of the column of durations without its bars, in a narrow list. */
const TIME_NARROW = 60;
const NARROW = 1000;

class Columns {
  #kept = $state.raw<ReadonlySet<string>>(
    new Set((localStorage.getItem(STORAGE_KEY) ?? "").split(" ").filter(Boolean)),
  );

  readonly hidden: ReadonlySet<string> = $derived.by(() => {
    const named = router.get("columns");
    if (named === null) return this.#kept;
    const shown = new Set(named.split(","));
    return new Set(COLUMNS.flatMap(({ name }) => (shown.has(name) ? [] : [name])));
  });

  /** The names of the columns that are not hidden. */
  readonly names: string[] = $derived(COLUMNS.flatMap(({ name }) => (this.hidden.has(name) ? [] : [name])));

  /** Whether a column is hidden. */
  get changed(): boolean {
    return this.hidden.size > 0;
  }

  toggle(name: string): void {
    const next = new Set(this.hidden);
    if (!next.delete(name)) next.add(name);
    if (router.get("columns") !== null) {
      const shown = COLUMNS.flatMap((column) => (next.has(column.name) ? [] : [column.name]));
      return router.set({ columns: shown.join(",") }, { replace: true });
    }
    this.#kept = next;
    localStorage.setItem(STORAGE_KEY, [...next].join(" "));
  }

  /** The columns that a list of this width shows. */
  shown(width: number): Column[] {
    return COLUMNS.filter((column) => !this.hidden.has(column.name) && width >= column.from);
  }

  /** The tracks of a grid: the selection, the status, what the trace is about, and the columns. */
  template(width: number): string {
    const tracks = this.shown(width).map(({ name, width: pixels }) =>
      name === "time" && width <= NARROW ? TIME_NARROW : pixels,
    );
    return ["24px 22px minmax(0, 1fr)", ...tracks.map((pixels) => `${pixels}px`)].join(" ");
  }
}

export const columns = new Columns();
