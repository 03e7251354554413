/** The traces of a list. */

import { get, type Query } from "../api/http.ts";
import type { ListPage, TraceSummary } from "../api/types.ts";
import { LiveList, type Page } from "../lib/live-list.svelte.ts";

const RUNNING_MAX = 50;
const RANKED_MAX = 200;

interface TracePage extends Page<TraceSummary> {
  ranked: number | null;
}

/** The pages of responses: the same page for the same response. */
const pages = new WeakMap<ListPage, TracePage>();

function pageOf(answer: ListPage): TracePage {
  const known = pages.get(answer);
  if (known) return known;
  const { traces, next_cursor, scanned_to, ranked } = answer;
  const page = { rows: traces, next_cursor, scanned_to, ranked: ranked ?? null };
  pages.set(answer, page);
  return page;
}

export class TraceList extends LiveList<TraceSummary, TracePage> {
  /** The number of traces that were ranked; null in a list by time. */
  ranked = $state<number | null>(null);

  protected readonly of = {
    id: (row: TraceSummary) => row.trace_id,
    position: (row: TraceSummary) => row.cursor_position,
    version: (row: TraceSummary) => `${row.updated_at} ${row.annotated_at}`,
  };

  protected async page(query: Query, signal: AbortSignal): Promise<TracePage> {
    const { order_by, ...others } = this.parameters;
    const asked = order_by ? { order_by, limit: RANKED_MAX } : query;
    return pageOf(
      await get<ListPage>("/api/analytics/traces", { view: "summary", ...others, ...asked }, signal),
    );
  }

  protected received(page: TracePage): void {
    this.ranked = page.ranked;
  }

  /** Rows beyond the first page that were still running are asked for by their ids. */
  protected override async completed(
    rows: readonly TraceSummary[],
    head: TracePage,
    signal: AbortSignal,
  ): Promise<readonly TraceSummary[]> {
    const read = new Set(head.rows.map((row) => row.trace_id));
    const running = rows
      .filter((row) => row.status === "pending" && !read.has(row.trace_id))
      .slice(0, RUNNING_MAX);
    if (!running.length) return rows;
    const ids = running.map((row) => row.trace_id).join(",");
    const page = await get<ListPage>("/api/analytics/traces", { view: "summary", trace_id: ids }, signal);
    const found = new Map(page.traces.map((row) => [row.trace_id, row]));
    return rows.map((row) => found.get(row.trace_id) ?? row);
  }
}
