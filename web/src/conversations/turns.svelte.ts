/** The turns of a conversation, oldest first: page after page, and what is new at its end while it goes on. */

import { get } from "../api/http.ts";
import type { ListPage, Turn } from "../api/types.ts";
import { exactly } from "../list/filters.ts";

interface Page {
  traces: Turn[];
  next_cursor: string | null;
}

const PAGE = 20;
const POLL_MS = 5000;

export class Turns {
  list = $state.raw<readonly Turn[]>([]);
  loading = $state(false);
  complete = $state(false);
  error = $state.raw<unknown>(null);

  readonly #id: string;
  readonly #abort = new AbortController();
  #cursor: string | null = null;
  /** The cursor with which the last page was read: it is read again when something changes at the end. */
  #lastCursor: string | null = null;
  #lastCount = 0;
  #newest: string | null = null;
  #timer: ReturnType<typeof setInterval>;

  constructor(id: string) {
    this.#id = id;
    this.#timer = setInterval(() => void this.#poll(), POLL_MS);
  }

  stop(): void {
    this.#abort.abort();
    clearInterval(this.#timer);
  }

  /** Read the next page. */
  async more(): Promise<void> {
    if (this.loading || this.complete) return;
    this.loading = true;
    this.error = null;
    try {
      const page = await this.#page(this.#cursor);
      this.#lastCursor = this.#cursor;
      this.#lastCount = page.traces.length;
      this.#put(page.traces);
      this.#cursor = page.next_cursor;
      this.complete = page.next_cursor === null;
    } catch (error) {
      if (!this.#abort.signal.aborted) this.error = error;
    } finally {
      this.loading = false;
    }
  }

  /** Read on until a turn is there, or the end. */
  async until(turn: number): Promise<void> {
    while (!this.complete && !this.error && !this.list.some((one) => one.turn >= turn)) await this.more();
  }

  async #poll(): Promise<void> {
    if (document.visibilityState !== "visible" || !this.complete || this.loading || this.error) return;
    try {
      const { traces } = await get<ListPage>(
        "/api/analytics/traces",
        { view: "summary", conversation_id: exactly(this.#id), limit: 1 },
        this.#abort.signal,
      );
      const newest = traces[0] ? `${traces[0].trace_id} ${traces[0].updated_at}` : "";
      const before = this.#newest;
      this.#newest = newest;
      if (before === null || before === newest) return;
      // The last page again, which may have become longer, and all that follows it.
      const kept = this.list.slice(0, this.list.length - this.#lastCount);
      const page = await this.#page(this.#lastCursor);
      this.#lastCount = page.traces.length;
      this.list = kept;
      this.#put(page.traces);
      this.#cursor = page.next_cursor;
      this.complete = page.next_cursor === null;
    } catch {
      // The next poll asks again; what was read stays.
    }
  }

  async #page(cursor: string | null): Promise<Page> {
    const query = { view: "turns", conversation_id: exactly(this.#id), order: "asc", limit: PAGE, cursor };
    return await get<Page>("/api/analytics/traces", query, this.#abort.signal);
  }

  #put(turns: readonly Turn[]): void {
    const known = new Set(this.list.map((turn) => turn.trace_id));
    this.list = [...this.list, ...turns.filter((turn) => !known.has(turn.trace_id))];
  }
}
