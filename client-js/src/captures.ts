/** `captureTrace`: one span as a flat object, with the field names of the store's JSON API. */

import { trace as otel } from "@opentelemetry/api";

import { guarded } from "./failures.js";
import { shared } from "./shared.js";
import { textBytes } from "./span-sizes.js";
import { valueLimit } from "./state.js";
import { asJson } from "./values.js";

/** A span as `POST /api/analytics/traces` accepts it. Absent fields are created or left out, null ones are left out. */
export interface CapturedTrace {
  span_name: string;
  /** Default: the trace of the current step, or a new one. */
  trace_id?: string | null;
  /** Default: a new id. */
  span_id?: string | null;
  /** The parent's `span_id`. Default, if `trace_id` is absent too: the current step. */
  parent_trace_id?: string | null;
  /** The same as `parent_trace_id`. */
  parent_span_id?: string | null;
  operation_type?: string | null;
  /** Default: now, or as long before the end as `duration_ms` says. */
  start_time?: string | Date | null;
  end_time?: string | Date | null;
  duration_ms?: number | null;
  model_name?: string | null;
  model_provider?: string | null;
  model_version?: string | null;
  input_data?: unknown;
  output_data?: unknown;
  metadata?: unknown;
  conversation_id?: string | null;
  message_id?: string | null;
  input_tokens?: number | null;
  output_tokens?: number | null;
  total_tokens?: number | null;
  cached_input_tokens?: number | null;
  cache_write_tokens?: number | null;
  reasoning_tokens?: number | null;
  cost_usd?: number | null;
  tool_name?: string | null;
  end_user_id?: string | null;
  service_name?: string | null;
  lesson_id?: string | null;
  status?: "pending" | "success" | "error" | null;
  error_message?: string | null;
  error_type?: string | null;
}

/** The ids of a captured span, as the store shows them. */
export interface CapturedIds {
  trace_id: string;
  span_id: string;
}

const ITEM_BYTES = 200; // of the object and its entry in the queue

/**
 * Send one span, in the background. Return its ids at once, so that the next span can name it as its parent.
 *
 * The ids are created here: a retry stores nothing twice. A field that the store refuses loses the span, counted in
 * `stats()`.
 */
export function captureTrace(fields: CapturedTrace): CapturedIds {
  const current = guarded("captureTrace", undefined, () => otel.getActiveSpan()?.spanContext());
  const hasCurrent = !fields?.trace_id && current !== undefined && otel.isSpanContextValid(current);
  const ids = {
    trace_id: fields?.trace_id || (hasCurrent ? current.traceId : hexId(32)),
    span_id: fields?.span_id || hexId(16),
  };
  guarded("captureTrace", undefined, () => {
    const { delivery, settings } = shared;
    if (!delivery || !settings) return;
    const parent = fields.parent_span_id ?? fields.parent_trace_id ?? (hasCurrent ? current.spanId : null);
    const { parent_trace_id: _, ...sent } = fields;
    const span: Record<string, unknown> = {
      service_name: settings.serviceName,
      ...sent,
      ...ids,
      parent_span_id: parent,
      start_time: fields.start_time ?? startOf(fields),
    };
    // As text from here on: the application may change its objects. Each value has a limit of its own.
    const text = Object.entries(span)
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([name, value]) => `${JSON.stringify(name)}:${asJson(value, valueLimit())}`)
      .join(",");
    delivery.offer({ text: `{${text}}`, size: textBytes(text) + ITEM_BYTES });
  });
  return ids;
}

function startOf(fields: CapturedTrace): string {
  const end = fields.end_time ? new Date(fields.end_time).getTime() : Date.now();
  const start = new Date(end - (fields.duration_ms ?? 0));
  return (Number.isNaN(start.getTime()) ? new Date() : start).toISOString();
}

function hexId(digits: number): string {
  let id = "";
  while (id.length < digits)
    id += Math.floor(Math.random() * 2 ** 32)
      .toString(16)
      .padStart(8, "0");
  return /[^0]/.test(id) ? id : hexId(digits);
}
