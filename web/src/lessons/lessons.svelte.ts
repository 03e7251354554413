/**
 * The lessons of a list, page after page, and what changes while a reader looks at it. Nothing moves by itself: new
 * lessons wait, unless the list is at its top, and rows are updated where they stand.
 */

import { session } from "../auth/session.svelte.ts";
import { get, type Query } from "../api/http.ts";
import type { LessonSummary } from "../api/types.ts";
import { merged } from "./merge.ts";

export interface LessonPage {
  traces: LessonSummary[];
  next_cursor: string | null;
  total: number | null;
  scanned_to: string | null;
}

const PAGE = 50;
const POLL_MS = 5000;
const POLL_HIDDEN_MS = 30_000;
/** A poll reaches down to the last lesson that is still running, but never further than this. */
const POLLED_MAX = 500;

export class LessonList {
  rows = $state.raw<readonly LessonSummary[]>([]);
  /** Lessons that have begun since, and wait to be shown. */
  waiting = $state.raw<readonly LessonSummary[]>([]);
  loading = $state(false);
  complete = $state(false);
  /** The number of lessons that match; null where no index has it. */
  total = $state<number | null>(null);
  scannedTo = $state<string | null>(null);
  error = $state.raw<unknown>(null);
  /** Why live updates have stopped. */
  pollError = $state.raw<unknown>(null);
  /** Whether new lessons may be put in at once. */
  atTop = true;

  #parameters: Query = {};
  #cursor: string | null = null;
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #head: LessonPage | null = null;

  show(parameters: Query): void {
    this.stop();
    this.#abort = new AbortController();
    this.#parameters = parameters;
    this.#cursor = null;
    this.#head = null;
    this.rows = [];
    this.waiting = [];
    this.complete = false;
    this.total = null;
    this.scannedTo = null;
    this.error = null;
    this.pollError = null;
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
      const known = new Set(this.rows.map((row) => row.id));
      this.rows = [...this.rows, ...page.traces.filter((row) => !known.has(row.id))];
      this.#cursor = page.next_cursor;
      this.complete = page.next_cursor === null;
      this.scannedTo = page.scanned_to;
      this.total = page.total;
    } catch (error) {
      if (!signal.aborted) this.error = error;
    } finally {
      if (!signal.aborted) this.loading = false;
    }
  }

  takeWaiting(): void {
    this.rows = [...this.waiting, ...this.rows];
    this.waiting = [];
  }

  /** Remove lessons that the reader has deleted. */
  remove(gone: (row: LessonSummary) => boolean): void {
    this.rows = this.rows.filter((row) => !gone(row));
    this.waiting = this.waiting.filter((row) => !gone(row));
  }

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
    if (this.pollError || "end_date" in this.#parameters) return;
    const after = document.visibilityState === "visible" ? POLL_MS : POLL_HIDDEN_MS;
    this.#timer = setTimeout(() => void this.poll(), after);
  }

  async #update(signal: AbortSignal): Promise<void> {
    if (this.loading || this.error || !session.signedIn || session.expired) return;
    const running = this.rows.findLastIndex((row) => row.status === "started") + 1;
    const limit = Math.min(POLLED_MAX, Math.max(PAGE, Math.ceil(running / PAGE) * PAGE));
    const head = await this.#page({ limit }, signal);
    if (signal.aborted || this.loading) return;
    if (head === this.#head && !this.waiting.length) return; // 304: nothing has changed
    this.#head = head;
    const next = merged(this.rows, head);
    this.rows = this.atTop ? [...next.newer, ...next.rows] : next.rows;
    this.waiting = this.atTop ? [] : next.newer;
    this.total = head.total ?? this.total;
  }

  async #page(query: Query, signal: AbortSignal): Promise<LessonPage> {
    return await get<LessonPage>("/api/traces", { view: "summary", ...this.#parameters, ...query }, signal);
  }
}
