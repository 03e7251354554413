/**
 * Sending of one batch, and its outcome.
 *
 * OpenTelemetry's serializer encodes the spans. Its exporters are not used: they do not report rejected spans, take any
 * answer below 300 for a store's, and send the content of OTEL_EXPORTER_OTLP_HEADERS, which may be another service's
 * key.
 */

import { context, ROOT_CONTEXT } from "@opentelemetry/api";
import { suppressTracing } from "@opentelemetry/core";
import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { type Resource, resourceFromAttributes } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";

import { gzip, post, unreference } from "#platform";

import { typeOf } from "./failures.js";
import type { Settings } from "./settings.js";
import { withResource } from "./span-sizes.js";
import type { Response } from "./transport.js";

/** What is queued: a span of OpenTelemetry, or the JSON text of a span that `captureTrace` has been given. */
export type Item = { size: number } & ({ span: ReadableSpan; text?: never } | { text: string; span?: never });

/** How many items of a batch the store did not accept, and why. `reason` is null when it accepted all. */
export interface Outcome {
  lost: number;
  reason: string | null;
}

/** What is posted, and where. */
interface Request {
  url: string;
  headers: Record<string, string>;
  body: Uint8Array;
}

const RETRIED = new Set([429, 502, 503, 504]);
const FIRST_WAIT_MS = 1_000;
/** The shortest pause, also for a server that asks for none: otherwise the client sends without end until its timeout. */
const LEAST_PAUSE_MS = 100;
const NOT_A_STORE = "the response is not from a trace store: check the endpoint";

/** A sender of batches, one at a time. */
export class Sender {
  private readonly resources = new WeakMap<Resource, Resource>();
  private readonly abortions = new Set<() => void>();
  private isClosed = false;

  constructor(private readonly settings: Settings) {}

  /** Send a batch of one kind. A batch that is too large for one request is sent in halves. Never rejects. */
  async send(items: Item[]): Promise<Outcome> {
    try {
      // Otherwise an instrumented http client traces this request, and sending that span never ends.
      const answer = await context.with(suppressTracing(ROOT_CONTEXT), () => this.answerTo(items));
      if (typeof answer === "string") return { lost: items.length, reason: answer };
      if (answer.status === 413 && items.length > 1) {
        const middle = Math.floor(items.length / 2);
        const first = await this.send(items.slice(0, middle));
        const second = await this.send(items.slice(middle));
        return { lost: first.lost + second.lost, reason: first.reason ?? second.reason };
      }
      return items[0]?.span ? spansOutcome(answer, items.length) : capturesOutcome(answer, items.length);
    } catch (failure) {
      return { lost: items.length, reason: `sending failed with ${typeOf(failure)}` };
    }
  }

  /** End all requests and waits: no further batch will come. */
  close(): void {
    this.isClosed = true;
    for (const abort of this.abortions) abort();
  }

  /** The last response, or the reason why there is none. */
  private async answerTo(items: Item[]): Promise<Response | string> {
    const request = await this.requestOf(items);
    return request ? this.posted(request) : "the batch could not be encoded";
  }

  /** The request with these items; null if they cannot be encoded. */
  private async requestOf(items: Item[]): Promise<Request | null> {
    const isSpans = Boolean(items[0]?.span);
    const body = isSpans ? this.encodeSpans(items) : encodeCaptures(items);
    if (!body) return null;
    const compressed = await gzip(body);
    return {
      url: isSpans ? this.settings.spansUrl : this.settings.capturesUrl,
      headers: {
        "content-type": isSpans ? "application/x-protobuf" : "application/json",
        authorization: `Bearer ${this.settings.apiKey}`,
        "user-agent": "tracestore-client-js",
        ...(compressed ? { "content-encoding": "gzip" } : {}),
      },
      body: compressed ?? body,
    };
  }

  /** The last response to a request, which is repeated while the store is busy or unreachable and time is left. */
  private async posted(request: Request): Promise<Response | string> {
    const { exportTimeoutMs } = this.settings.limits;
    const deadline = Date.now() + exportTimeoutMs;
    const abortion = new AbortController();
    let stopWaiting = (): void => undefined;
    const abort = (): void => {
      abortion.abort();
      stopWaiting();
    };
    const timer = setTimeout(abort, exportTimeoutMs);
    unreference(timer);
    this.abortions.add(abort);
    try {
      for (let wait = FIRST_WAIT_MS; ; wait *= 2) {
        const answer = await answerOf(request, abortion.signal);
        if (typeof answer !== "string" && !RETRIED.has(answer.status)) return answer;
        const pause = pauseMs(answer, wait);
        if (this.isClosed || abortion.signal.aborted || Date.now() + pause >= deadline) return answer;
        await new Promise<void>((resolve) => {
          stopWaiting = resolve;
          unreference(setTimeout(resolve, pause));
        });
        if (this.isClosed) return answer;
      }
    } finally {
      clearTimeout(timer);
      this.abortions.delete(abort);
    }
  }

  private encodeSpans(items: Item[]): Uint8Array | undefined {
    return ProtobufTraceSerializer.serializeRequest(items.map((item) => this.withServiceName(item.span!)));
  }

  /** The span with the configured service name, if one is configured and the span's provider has another. */
  private withServiceName(span: ReadableSpan): ReadableSpan {
    const name = this.settings.serviceName;
    if (name === undefined || span.resource.attributes["service.name"] === name) return span;
    let resource = this.resources.get(span.resource);
    if (!resource) {
      resource = span.resource.merge(resourceFromAttributes({ "service.name": name }));
      this.resources.set(span.resource, resource);
    }
    return withResource(span, resource);
  }
}

function encodeCaptures(items: Item[]): Uint8Array {
  return new TextEncoder().encode(`{"spans":[${items.map((item) => item.text).join(",")}]}`);
}

/** The response to a request that is sent once, or the reason why there is none. */
async function answerOf({ url, headers, body }: Request, signal: AbortSignal): Promise<Response | string> {
  try {
    return await post(url, headers, body, signal);
  } catch (failure) {
    return signal.aborted ? "the store did not answer in time" : reasonOf(failure);
  }
}

/** How long to wait before the next attempt: as long as the server asks, otherwise about `wait`. */
function pauseMs(answer: Response | string, wait: number): number {
  const asked = typeof answer === "string" ? NaN : Number(answer.retryAfter ?? NaN) * 1_000;
  return asked >= 0 ? Math.max(asked, LEAST_PAUSE_MS) : wait * (0.8 + Math.random() * 0.4);
}

/** The code of a network error, such as ECONNREFUSED, which says more than its class. */
function reasonOf(failure: unknown): string {
  const { code, cause } = failure as { code?: unknown; cause?: { code?: unknown } };
  const found = [code, cause?.code].find((value) => typeof value === "string");
  return (found as string | undefined) ?? typeOf(failure);
}

function spansOutcome(answer: Response, count: number): Outcome {
  if (answer.status < 200 || answer.status >= 300) return { lost: count, reason: statusReason(answer.status) };
  if (!answer.body.length && !answer.contentType) return { lost: 0, reason: null };
  try {
    if (!answer.isComplete || !answer.contentType.includes("protobuf")) throw new Error();
    // The deserializer skips what it cannot read, and an answer of a store has no other fields.
    if (answer.body.length && answer.body[0] !== 0x0a) throw new Error();
    const partial = ProtobufTraceSerializer.deserializeResponse(answer.body).partialSuccess;
    return rejected(Number(partial?.rejectedSpans ?? 0), count);
  } catch {
    return { lost: count, reason: NOT_A_STORE };
  }
}

function capturesOutcome(answer: Response, count: number): Outcome {
  if (answer.status < 200 || answer.status >= 300) return { lost: count, reason: statusReason(answer.status) };
  // The answer to many spans is longer than what is read of it. It lists the stored ones before the rejected ones.
  const text = new TextDecoder().decode(answer.body);
  if (!/^\s*\{\s*"success"\s*:\s*true/.test(text)) return { lost: count, reason: NOT_A_STORE };
  if (!answer.isComplete) return { lost: 0, reason: null };
  try {
    const { rejected: list } = JSON.parse(text) as { rejected?: unknown[] };
    return rejected(list?.length ?? 0, count);
  } catch {
    return { lost: count, reason: NOT_A_STORE };
  }
}

function rejected(sent: number, count: number): Outcome {
  const lost = Math.min(Math.max(sent, 0), count);
  return { lost, reason: lost ? "the store rejected some spans" : null };
}

/** It never quotes text from the server or the application. */
function statusReason(status: number): string {
  const hints: Record<number, string> = {
    400: ": the store found no valid span in the request",
    401: ": check the API key",
    403: ": the API key lacks the scope ingest",
    404: ": check the endpoint",
  };
  return `HTTP ${status}${hints[status] ?? ""}`;
}
