/** The payloads of a trace for reading: page after page, and of a running trace those that changed. */

import { get } from "../api/http.ts";
import type { OutlineSpan } from "../api/types.ts";
import type { SpanOfPage } from "./transcript.ts";

interface Page {
  trace: { spans: SpanOfPage[] };
  next_cursor: string | null;
}

const IDS_MAX = 100;
const IDS_BYTES = 5000;
const PAGES_AT_ONCE = 8;

export class TracePayloads {
  spans = $state.raw<ReadonlyMap<string, SpanOfPage>>(new Map());
  loading = $state(false);
  error = $state.raw<unknown>(null);
  /** Whether all pages have been read. */
  complete = $state(false);

  readonly #path: string;
  readonly #abort = new AbortController();
  #cursor: string | null = null;
  /** The rows whose payloads are to be read. */
  #wanted: readonly OutlineSpan[] = [];
  /** The row with which each payload was read. */
  #read = new Map<string, OutlineSpan>();

  constructor(trace: string) {
    this.#path = `/api/analytics/traces/${encodeURIComponent(trace)}`;
  }

  stop(): void {
    this.#abort.abort();
  }

  /** Read what is missing for these rows: all pages at first, then the spans that are new or changed. */
  async read(rows: readonly OutlineSpan[]): Promise<void> {
    this.#wanted = rows;
    if (this.loading) return;
    this.loading = true;
    this.error = null;
    try {
      let done: readonly OutlineSpan[] | null = null;
      while (done !== this.#wanted && !this.#abort.signal.aborted) {
        done = this.#wanted; // rows may change again meanwhile
        if (this.complete) await this.#changed(done);
        else await this.#pages(done);
      }
    } catch (error) {
      if (!this.#abort.signal.aborted) this.error = error;
    } finally {
      this.loading = false;
    }
  }

  async #pages(rows: readonly OutlineSpan[]): Promise<void> {
    const byId = new Map(rows.map((row) => [row.span_id, row]));
    for (let page = 0; page < PAGES_AT_ONCE; page++) {
      const answer: Page = await get(
        this.#path,
        { view: "spans", new_messages: true, cursor: this.#cursor },
        this.#abort.signal,
      );
      this.#keep(answer.trace.spans, byId);
      this.#cursor = answer.next_cursor;
      this.complete = answer.next_cursor === null;
      if (this.complete) return;
    }
  }

  async #changed(rows: readonly OutlineSpan[]): Promise<void> {
    const byId = new Map(rows.map((row) => [row.span_id, row]));
    const ids = rows.filter((row) => this.#read.get(row.span_id) !== row).map((row) => row.span_id);
    while (ids.length) {
      const batch: string[] = [];
      let bytes = 0;
      while (ids.length && batch.length < IDS_MAX && bytes + (ids[0] as string).length < IDS_BYTES) {
        const id = ids.shift() as string;
        batch.push(id);
        bytes += id.length + 1;
      }
      let cursor: string | null = null;
      do {
        const answer: Page = await get(
          this.#path,
          { view: "spans", new_messages: true, span_id: batch.join(","), cursor },
          this.#abort.signal,
        );
        this.#keep(answer.trace.spans, byId);
        cursor = answer.next_cursor;
      } while (cursor);
    }
  }

  #keep(spans: readonly SpanOfPage[], rows: ReadonlyMap<string, OutlineSpan>): void {
    const next = new Map(this.spans);
    for (const span of spans) {
      next.set(span.span_id, span);
      const row = rows.get(span.span_id);
      if (row) this.#read.set(span.span_id, row);
    }
    this.spans = next;
  }
}
