/** Traces to compare with: an earlier run of the same name, and the same turn of another conversation. */

import { get, type Query } from "../api/http.ts";
import type { ListPage, TraceSummary } from "../api/types.ts";
import { exactly } from "../list/filters.ts";

const PAGES = 5;
const PAGE = 50;

/**
 * The latest trace of the same name before another one; with `succeeded`, the latest that succeeded. *absent*: null if none
 * is among the traces that were looked at.
 */
export async function earlierRun(
  of: TraceSummary,
  succeeded: boolean,
  signal?: AbortSignal,
): Promise<string | null> {
  if (of.name === null) return null;
  const query: Query = {
    view: "summary",
    span_name: exactly(of.name),
    end_date: of.start_time,
    limit: String(PAGE),
    ...(succeeded ? { status: "success" } : {}),
  };
  let cursor: string | null = null;
  for (let page = 0; page < PAGES; page++) {
    const answer: ListPage = await get("/api/analytics/traces", { ...query, cursor }, signal);
    // Any span may have the name: a run of this name has it at its root.
    const found = answer.traces.find((trace) => trace.name === of.name && trace.trace_id !== of.trace_id);
    if (found) return found.trace_id;
    cursor = answer.next_cursor;
    if (!cursor) break;
  }
  return null;
}

const TURNS_PAGE = 200;

/** The trace of a turn of a conversation, counted from 1. *absent*: null if the conversation is shorter. */
export async function traceOfTurn(
  conversation: string,
  turn: number,
  signal?: AbortSignal,
): Promise<string | null> {
  let cursor: string | null = null;
  let before = 0;
  for (;;) {
    const answer: ListPage = await get(
      "/api/analytics/traces",
      {
        view: "summary",
        conversation_id: exactly(conversation),
        order: "asc",
        limit: String(TURNS_PAGE),
        cursor,
      },
      signal,
    );
    const found = answer.traces[turn - 1 - before];
    if (found) return found.trace_id;
    before += answer.traces.length;
    cursor = answer.next_cursor;
    if (!cursor) return null;
  }
}
