/**
 * The columns of the list: a reader may hide, pin and widen them; narrow lists leave out those that matter least. An
 * address may name the columns, as those of saved views do; else this browser remembers them.
 */

import { router } from "../lib/router.svelte.ts";
import { browserStorage } from "../lib/storage.ts";

const STORAGE_KEY = "tracestore.columns";

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
/** Up to this width a row has two lines, with room for no further column. */
const TWO_LINES = 640;

/** The widths that a column may get, in CSS pixels. */
export const WIDTHS = { least: 40, most: 320 };

interface Kept {
  hidden: string[];
  pinned: string[];
  widths: Record<string, number>;
}

function kept(): Kept {
  return { hidden: [], pinned: [], widths: {}, ...browserStorage.json<Partial<Kept>>(STORAGE_KEY) };
}

const toggled = (names: readonly string[], name: string): string[] =>
  names.includes(name) ? names.filter((other) => other !== name) : [...names, name];

class Columns {
  #kept = $state.raw(kept());

  readonly hidden: ReadonlySet<string> = $derived.by(() => {
    const named = router.get("columns");
    if (named === null) return new Set(this.#kept.hidden);
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
    const hidden = toggled([...this.hidden], name);
    if (router.get("columns") === null) return this.#keep({ hidden });
    const shown = COLUMNS.flatMap((column) => (hidden.includes(column.name) ? [] : [column.name]));
    router.set({ columns: shown.join(",") }, { replace: true });
  }

  /** Whether a column stays where there is no room for all. */
  isPinned(name: string): boolean {
    return this.#kept.pinned.includes(name);
  }

  togglePin(name: string): void {
    this.#keep({ pinned: toggled(this.#kept.pinned, name) });
  }

  widen(name: string, width: number): void {
    const pixels = Math.round(Math.max(WIDTHS.least, Math.min(WIDTHS.most, width)));
    this.#keep({ widths: { ...this.#kept.widths, [name]: pixels } });
  }

  /** The width of a column in a list of this width. */
  widthOf(column: Column, list: number): number {
    const own = this.#kept.widths[column.name];
    return own ?? (column.name === "time" && list <= NARROW ? TIME_NARROW : column.width);
  }

  /** The columns that a list of this width shows. */
  shown(width: number): Column[] {
    return COLUMNS.filter(
      ({ name, from }) =>
        !this.hidden.has(name) && (width >= from || (this.isPinned(name) && width > TWO_LINES)),
    );
  }

  /** The tracks of a grid: the selection, the status, what the trace is about, and the columns. */
  template(width: number): string {
    const tracks = this.shown(width).map((column) => `${this.widthOf(column, width)}px`);
    return ["24px 22px minmax(0, 1fr)", ...tracks].join(" ");
  }

  #keep(changes: Partial<Kept>): void {
    this.#kept = { ...this.#kept, ...changes };
    browserStorage.set(STORAGE_KEY, JSON.stringify(this.#kept));
  }
}

export const columns = new Columns();
