/** What a reader searches for in one trace: where it is found, and the parts of the spans in which it is wanted. */

import { get } from "../api/http.ts";
import type { Match } from "../api/types.ts";
import { router } from "../lib/router.svelte.ts";
import {
  countsOf,
  foundInOutline,
  joined,
  matchesOf,
  SCOPES,
  storedIn,
  type Found,
  type Scope,
} from "./found.ts";
import type { SpanNode } from "./tree.ts";

/** So many pages are read at once. A reader asks for more. */
const PAGES_AT_ONCE = 20;

export interface Progress {
  /** The number of spans that were read. */
  scanned: number;
  state: "reading" | "paused" | "done";
  error: unknown;
}

export class TraceSearch {
  progress = $state.raw<Progress | null>(null);

  readonly text = $derived((router.get("q") ?? "").trim());
  /** The chosen parts; all of them if none is chosen. */
  readonly scopes: ReadonlySet<Scope> = $derived(
    new Set(router.query.getAll("in").filter((name): name is Scope => name in SCOPES)),
  );
  readonly found: Found = $derived.by(() => joined(foundInOutline(this.#spans(), this.text), this.#stored));
  /** The spans with the text in one of the chosen parts, with the excerpt of where. */
  readonly matches: ReadonlyMap<string, string> = $derived(matchesOf(this.found, this.scopes));
  /** The number of spans with the text in each part. */
  readonly counts: ReadonlyMap<Scope, number> = $derived(countsOf(this.found));

  #stored = $state.raw<Found>(new Map());
  #cursor: string | null = null;
  readonly #path: string;
  readonly #spans: () => ReadonlyMap<string, SpanNode>;

  constructor(trace: string, spans: () => ReadonlyMap<string, SpanNode>) {
    this.#path = `/api/analytics/traces/${encodeURIComponent(trace)}`;
    this.#spans = spans;
  }

  /** Forget what was found for another text. */
  reset(): void {
    this.#stored = new Map();
    this.#cursor = null;
    this.progress = this.text ? { scanned: 0, state: "reading", error: null } : null;
  }

  /** Search everything that is stored, from where the last call ended. */
  async read(signal: AbortSignal): Promise<void> {
    const { text } = this;
    let scanned = this.progress?.scanned ?? 0;
    try {
      for (let page = 0; page < PAGES_AT_ONCE; page++) {
        const answer: { trace: { matches: Match[] }; next_cursor: string | null; scanned: number } =
          await get(this.#path, { search: text, cursor: this.#cursor }, signal);
        if (signal.aborted) return;
        this.#stored = joined(this.#stored, storedIn(answer.trace.matches));
        this.#cursor = answer.next_cursor;
        scanned += answer.scanned;
        this.progress = { scanned, state: this.#cursor === null ? "done" : "reading", error: null };
        if (this.#cursor === null) return;
      }
      this.progress = { scanned, state: "paused", error: null };
    } catch (error) {
      if (!signal.aborted) this.progress = { scanned, state: "paused", error };
    }
  }

  choose(scope: Scope): void {
    const scopes = this.scopes.has(scope)
      ? [...this.scopes].filter((name) => name !== scope)
      : [...this.scopes, scope];
    router.set({ in: scopes }, { replace: true });
  }
}
