/**
 * A list, page after page, and what changes while a reader looks at it. Nothing moves by itself: new rows wait, unless the
 * list is at its top, and rows are updated where they are.
 */

import { session } from "../auth/session.svelte.ts";
import type { Query } from "../api/http.ts";
import { merged, type Page, type Rows } from "./merge.ts";

export type { Page } from "./merge.ts";

const PAGE = 50;
const POLL_MS = 5000;
const POLL_HIDDEN_MS = 30_000;

export abstract class LiveList<Row, Answer extends Page<Row> = Page<Row>> {
  /** The rows, in their order. */
  rows = $state.raw<readonly Row[]>([]);
  /** Rows that have begun since, and wait to be shown. */
  waiting = $state.raw<readonly Row[]>([]);
  loading = $state(false);
  /** Whether the list has been loaded to its end. */
  complete = $state(false);
  scannedTo = $state<string | null>(null);
  error = $state.raw<unknown>(null);
  /** Why live updates have stopped. */
  pollError = $state.raw<unknown>(null);
  live = $state(true);
  /** Whether new rows may be put in at once: set by the view while the list is at its top. */
  atTop = true;

  protected parameters: Query = {};
  #cursor: string | null = null;
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #head: Answer | null = null;

  /** Names and order of the rows. */
  protected abstract readonly of: Rows<Row>;

  /** One page of the list. The same object as before while nothing has changed. */
  protected abstract page(query: Query, signal: AbortSignal): Promise<Answer>;

  /** What a page says besides its rows. */
  protected abstract received(page: Answer): void;

  /** How many rows a poll reads. */
  protected polled(): number {
    return PAGE;
  }

  /** The position from which on the first page does not reach; null if it reaches nothing. */
  protected reachOf(head: Answer): string | number | null {
    const last = head.rows.at(-1);
    return last === undefined ? null : this.of.position(last);
  }

  /** The rows after a poll, with what else is asked for. */
  protected completed(rows: readonly Row[], _head: Answer, _signal: AbortSignal): Promise<readonly Row[]> {
    return Promise.resolve(rows);
  }

  /** Show other rows. */
  show(parameters: Query): void {
    this.stop();
    this.#abort = new AbortController();
    this.parameters = parameters;
    this.#cursor = null;
    this.#head = null;
    this.rows = [];
    this.waiting = [];
    this.complete = false;
    this.error = null;
    this.pollError = null;
    this.scannedTo = null;
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
      const page = await this.page({ limit: PAGE, cursor: this.#cursor }, signal);
      if (signal.aborted) return;
      const known = new Set(this.rows.map(this.of.id));
      this.rows = [...this.rows, ...page.rows.filter((row) => !known.has(this.of.id(row)))];
      this.#cursor = page.next_cursor;
      this.complete = page.next_cursor === null;
      this.scannedTo = page.scanned_to;
      this.received(page);
    } catch (error) {
      if (!signal.aborted) this.error = error;
    } finally {
      if (!signal.aborted) this.loading = false;
    }
  }

  /** Put the rows that wait at the top. */
  takeWaiting(): void {
    this.rows = [...this.waiting, ...this.rows];
    this.waiting = [];
  }

  /** Remove rows of what the reader has deleted. */
  remove(gone: (row: Row) => boolean): void {
    this.rows = this.rows.filter((row) => !gone(row));
    this.waiting = this.waiting.filter((row) => !gone(row));
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
    const fixed = "end_date" in this.parameters || "order_by" in this.parameters;
    if (!this.live || this.pollError || fixed) return;
    const after = document.visibilityState === "visible" ? POLL_MS : POLL_HIDDEN_MS;
    this.#timer = setTimeout(() => void this.poll(), after);
  }

  async #update(signal: AbortSignal): Promise<void> {
    if (this.loading || this.error || !session.signedIn || session.expired) return;
    const head = await this.page({ limit: this.polled() }, signal);
    if (signal.aborted || this.loading) return;
    const unchanged = head === this.#head && !this.waiting.length;
    this.#head = head;
    const next = unchanged
      ? { rows: this.rows, newer: [] }
      : merged(this.rows, head, this.of, this.reachOf(head));
    const rows = await this.completed(this.atTop ? [...next.newer, ...next.rows] : next.rows, head, signal);
    if (signal.aborted) return;
    this.waiting = this.atTop ? [] : next.newer;
    this.rows = rows;
    this.received(head);
  }
}
