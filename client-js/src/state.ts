/** What `configure` has set up in this process, and the public functions that read or flush it. */

import { type Context, trace as otel, TraceFlags, type Tracer } from "@opentelemetry/api";
import type { ReadableSpan, Span, SpanProcessor } from "@opentelemetry/sdk-trace-base";

import type { Stats } from "./delivery.js";
import { guarded, logOnce, typeOf } from "./failures.js";
import { DEFAULT_LIMITS } from "./settings.js";
import { shared } from "./shared.js";
import { sizeBytes, withinLimits } from "./span-sizes.js";

/** A span processor that passes ended, sampled spans to the delivery of the last `configure`. */
export class Tap implements SpanProcessor {
  onStart(_span: Span, _parent: Context): void {}

  onEnd(ended: ReadableSpan): void {
    guarded("onEnd", undefined, () => {
      const { delivery, settings } = shared;
      if (!delivery || !settings || !(ended.spanContext().traceFlags & TraceFlags.SAMPLED) || !isKept(ended)) return;
      const span = withinLimits(ended, settings.limits);
      delivery.offer({ span, size: sizeBytes(span) });
    });
  }

  async shutdown(): Promise<void> {
    await shared.delivery?.stop(shared.settings!.limits.exitTimeoutMs);
  }

  async forceFlush(): Promise<void> {
    await flush();
  }
}

function isKept(span: ReadableSpan): boolean {
  const keep = shared.settings?.keep;
  if (!keep) return true;
  try {
    return Boolean(keep(span));
  } catch (failure) {
    logOnce("keep", `The function \`keep\` failed with ${typeOf(failure)}; the span is sent.`);
    return true;
  }
}

/** Send all spans that have ended. Resolve to whether each was sent, or dropped and counted, in time. Never rejects. */
export async function flush(timeoutMs = 5_000): Promise<boolean> {
  return shared.delivery ? shared.delivery.flush(timeoutMs) : true;
}

/** Send the queued spans, then stop sending. Resolve to whether the time was enough; spans that remain are dropped. */
export async function shutdown(timeoutMs = 3_000): Promise<boolean> {
  return shared.delivery ? shared.delivery.stop(timeoutMs) : true;
}

/** The span counts of this process since `configure`. */
export function stats(): Stats {
  return shared.delivery?.stats() ?? { sent: 0, dropped: 0, queued: 0, queuedBytes: 0, reasons: {} };
}

/** The number of spans that were lost since `configure`. */
export function dropped(): number {
  return stats().dropped;
}

/** The tracer that creates the spans of this package. */
export function tracer(): Tracer {
  return (shared.hasProcessor ? null : shared.tracer) ?? otel.getTracer("tracestore-client");
}

/** The number of characters that are recorded of one input or output. */
export function valueLimit(): number {
  return (shared.settings?.limits ?? DEFAULT_LIMITS).maxValueCharacters;
}
