/**
 * The traces of a list, page after page, and what changes while a reader looks at it. Nothing moves by itself: new traces
 * wait, unless the list is at its top, and rows are updated where they stand.
 */

import { session } from "../auth/session.svelte.ts";
import { ApiError } from "../api/errors.ts";
import { get, type Query } from "../api/http.ts";
import type { ListPage, TraceSummary } from "../api/types.ts";

const PAGE = 50;
const POLL_MS = 5000;
const POLL_HIDDEN_MS = 30_000;
const RUNNING_MAX = 50;

export class TraceList {
  /** The rows, in their order. */
  rows = $state.raw<readonly TraceSummary[]>([]);
  /** Traces that have begun since, and wait to be shown. */
  waiting = $state.raw<readonly TraceSummary[]>([]);
  loading = $state(false);
  /** Whether the list has been loaded to its end. */
  complete = $state(false);
  /** How far back the filters have looked; null at the end. */
  scannedTo = $state<string | null>(null);
  ranked = $state<number | null>(null);
  error = $state.raw<unknown>(null);
  /** Why live updates have stopped. */
  pollError = $state.raw<unknown>(null);
  live = $state(true);
  /** Whether new traces may be put in at once: set by the view while the list is at its top. */
  atTop = true;

  #parameters: Query = {};
  #cursor: string | null = null;
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Show other traces. */
  show(parameters: Query): void {
    this.stop();
    this.#abort = new AbortController();
    this.#parameters = parameters;
    this.#cursor = null;
    this.rows = [];
    this.waiting = [];
    this.complete = false;
    this.error = null;
    this.pollError = null;
    this.scannedTo = null;
    this.ranked = null;
    this.loading = false;
    void this.more();
    this.#schedule();
  }

  stop(): void {
    this.#abort.abort();
    clearTimeout(this.#timer);
  }

  /** Load the next page. A page may be short without being the last. */
  async more(): Promise<void> {
    if (this.loading || this.complete) return;
    const { signal } = this.#abort;
    this.loading = true;
    this.error = null;
    try {
      const page = await this.#page({ limit: PAGE, cursor: this.#cursor }, signal);
      if (signal.aborted) return;
      const known = new Set(this.rows.map((row) => row.trace_id));
      this.rows = [...this.rows, ...page.traces.filter((row) => !known.has(row.trace_id))];
      this.#cursor = page.next_cursor;
      this.complete = page.next_cursor === null;
      this.scannedTo = page.scanned_to;
      this.ranked = page.ranked ?? null;
    } catch (error) {
      if (!signal.aborted) this.error = error;
    } finally {
      if (!signal.aborted) this.loading = false;
    }
  }

  /** Put the traces that wait at the top. */
  takeWaiting(): void {
    this.rows = [...this.waiting, ...this.rows];
    this.waiting = [];
  }

  /** Remove rows of which the reader has deleted the traces. */
  remove(ids: ReadonlySet<string>): void {
    this.rows = this.rows.filter((row) => !ids.has(row.trace_id));
    this.waiting = this.waiting.filter((row) => !ids.has(row.trace_id));
  }

  setLive(on: boolean): void {
    this.live = on;
    this.pollError = null;
    if (on) void this.poll();
    else clearTimeout(this.#timer);
  }

  /** Ask for what is new now. */
  async poll(): Promise<void> {
    clearTimeout(this.#timer);
    const { signal } = this.#abort;
    try {
      await this.#update(signal);
      if (!signal.aborted) this.pollError = null;
    } catch (error) {
      if (!signal.aborted) this.pollError = error;
    }
    if (!signal.aborted) this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const fixed = "end_date" in this.#parameters || "order_by" in this.#parameters;
    if (!this.live || this.pollError || fixed) return;
    const after = document.visibilityState === "visible" ? POLL_MS : POLL_HIDDEN_MS;
    this.#timer = setTimeout(() => void this.poll(), after);
  }

  async #update(signal: AbortSignal): Promise<void> {
    if (this.loading || this.error || !session.signedIn || session.expired) return;
    const head = await this.#page({ limit: PAGE }, signal);
    if (signal.aborted) return;
    const news = new Map(head.traces.map((row) => [row.trace_id, row]));
    const shown = new Set(this.rows.map((row) => row.trace_id));
    const reach = head.next_cursor === null ? "" : (head.traces.at(-1)?.cursor_position ?? null);
    // What is gone within the reach of the first page has been deleted, or does not match any more.
    let rows = this.rows.filter(
      (row) => news.has(row.trace_id) || reach === null || row.cursor_position < reach,
    );
    rows = rows.map((row) => {
      const now = news.get(row.trace_id);
      return now && (now.updated_at !== row.updated_at || now.annotated_at !== row.annotated_at) ? now : row;
    });
    const fresh = head.traces.filter((row) => !shown.has(row.trace_id));
    const first = this.rows[0]?.cursor_position ?? "";
    const older = fresh.filter((row) => row.cursor_position <= first);
    const newer = fresh.filter((row) => row.cursor_position > first);
    if (older.length)
      rows = [...rows, ...older].sort((a, b) => (a.cursor_position < b.cursor_position ? 1 : -1));
    if (this.atTop) rows = [...newer, ...rows];
    this.waiting = this.atTop ? [] : newer;
    this.rows = await this.#withRunning(rows, news, signal);
  }

  /** Rows beyond the first page that were still running are asked for by their ids. */
  async #withRunning(
    rows: TraceSummary[],
    news: ReadonlyMap<string, unknown>,
    signal: AbortSignal,
  ): Promise<TraceSummary[]> {
    const running = rows
      .filter((row) => row.status === "pending" && !news.has(row.trace_id))
      .slice(0, RUNNING_MAX);
    if (!running.length) return rows;
    const ids = running.map((row) => row.trace_id).join(",");
    const page = await get<ListPage>("/api/analytics/traces", { view: "summary", trace_id: ids }, signal);
    const found = new Map(page.traces.map((row) => [row.trace_id, row]));
    return rows.map((row) => found.get(row.trace_id) ?? row);
  }

  async #page(query: Query, signal: AbortSignal): Promise<ListPage> {
    const { order_by, ...others } = this.#parameters;
    return await get<ListPage>(
      "/api/analytics/traces",
      { view: "summary", ...others, ...(order_by ? { order_by, limit: 200 } : query) },
      signal,
    );
  }
}

export const isGone = (error: unknown): boolean => error instanceof ApiError && error.status === 404;
