/** The calls of a lesson on a time line: attempts of one call are one group. */

import type { LessonCall, OutlineSpan } from "../api/types.ts";
import { visible } from "../lib/format.ts";

export interface Call {
  id: string;
  provider: string | null;
  model: string | null;
  state: "answered" | "failed" | "running";
  /** Milliseconds since the start of the lesson. */
  start: number;
  duration: number | null;
  cost: number | null;
  tokens: number | null;
  error: string | null;
  errorType: string | null;
  wasted: boolean;
  /** Another attempt of the same call took its place. */
  superseded: boolean;
}

export interface Group {
  id: string;
  calls: Call[];
}

/** The calls with what only the outline has (cost, waste, error type, attempts), in order of time. */
export function callsOf(
  calls: readonly LessonCall[],
  outline: readonly OutlineSpan[],
  startedAt: number,
): Call[] {
  const spans = new Map(outline.map((row) => [row.span_id, row]));
  return calls.map((call) => callOf(call, spans.get(call.id), startedAt));
}

function callOf(call: LessonCall, row: OutlineSpan | undefined, startedAt: number): Call {
  const failed = call.success === false || row?.status === "error";
  const at = call.timestamp === undefined ? NaN : Date.parse(call.timestamp) - startedAt;
  return {
    id: call.id,
    provider: shown(call.provider ?? row?.model_provider),
    model: shown(call.request?.model ?? row?.model_name),
    state: failed ? "failed" : call.success === undefined ? "running" : "answered",
    start: row?.start_offset_ms ?? (Number.isFinite(at) ? Math.max(0, at) : 0),
    duration: call.duration_ms ?? row?.duration_ms ?? null,
    cost: row?.cost_usd ?? null,
    tokens: call.response?.usage?.total_tokens ?? row?.total_tokens ?? null,
    error: shown(call.error ?? row?.error_message),
    errorType: shown(row?.error_type),
    wasted: row?.wasted === true,
    superseded: row?.attempt?.outcome === "superseded",
  };
}

const shown = (text: string | undefined): string | null => (text === undefined ? null : visible(text));

/** The calls with the attempts of one call together, where its first attempt stands. */
export function groupsOf(calls: readonly Call[], outline: readonly OutlineSpan[]): Group[] {
  const groupOf = new Map(
    outline.flatMap((row) => (row.attempt ? [[row.span_id, row.attempt.group] as const] : [])),
  );
  const groups = new Map<string, Group>();
  for (const call of calls) {
    const id = groupOf.get(call.id) ?? call.id;
    const group = groups.get(id);
    if (group) group.calls.push(call);
    else groups.set(id, { id, calls: [call] });
  }
  return [...groups.values()];
}

/** The end of the time line: that of the lesson, or of a call that ends later. */
export function endOf(calls: readonly Call[], total: number): number {
  return Math.max(1, total, ...calls.map((call) => call.start + (call.duration ?? 0)));
}
