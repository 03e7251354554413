/**
 * Delivery of ended spans: a bounded queue, and the loop that sends its content.
 *
 * Code that ends a span only appends to the queue, in whatever state the store is. Spans that do not fit are dropped
 * and counted. OpenTelemetry's BatchSpanProcessor is not used: its queue is bounded by spans and not by bytes, and it
 * does not report how many it has dropped.
 */

import { context, ROOT_CONTEXT } from "@opentelemetry/api";

import { unreference } from "#platform";

import { logOnce, typeOf } from "./failures.js";
import type { Item, Outcome } from "./sending.js";
import type { Limits } from "./settings.js";

const QUEUE_FULL = "the queue is full";
const SPAN_TOO_LARGE = "a single span is too large";
const NOT_IN_TIME = "the process ended before they could be sent";
const SHUT_DOWN = "tracing was shut down";

/** Span counts since `configure`. */
export interface Stats {
  /** Accepted by the store. */
  sent: number;
  /** Lost, with their number per reason in `reasons`. */
  dropped: number;
  /** In the queue or being sent. */
  queued: number;
  /** The approximate memory that the queued spans take. */
  queuedBytes: number;
  reasons: Record<string, number>;
}

/** The sender of a batch, as far as `Delivery` uses it. */
export interface BatchSender {
  send(items: Item[]): Promise<Outcome>;
  close(): void;
}

export class Delivery {
  /** When the store last accepted less than a whole batch, in ms; null when it accepted the last one. */
  failedAt: number | null = null;

  private queue: Item[] = [];
  private queuedBytes = 0;
  private accepted = 0; // spans that entered the queue
  private finished = 0; // accepted spans that have since been sent or dropped
  private sent = 0;
  private readonly drops = new Map<string, number>();
  private deadline: number | null = null; // when sending stops; null until `stop` or `retire`
  private timer: unknown = null;
  private isRunning = false;
  private waiting: (() => void)[] = [];

  constructor(
    private readonly sender: BatchSender,
    private readonly limits: Limits,
  ) {}

  /** Queue an ended span, or drop it. */
  offer(item: Item): void {
    if (item.size > this.limits.maxSpanBytes) this.drop(1, SPAN_TOO_LARGE);
    else if (this.deadline !== null) this.drop(1, SHUT_DOWN);
    else if (this.isFull(item.size)) this.drop(1, QUEUE_FULL);
    else this.add(item);
  }

  /** Send every span that was offered before this call. Resolve to whether all were sent or dropped in time. */
  async flush(timeoutMs: number): Promise<boolean> {
    const target = this.accepted;
    this.wake(0);
    return this.reached(target, timeoutMs);
  }

  /** Send the queue for at most this time, then drop the rest. Resolve to whether the time was enough. */
  async stop(timeoutMs: number): Promise<boolean> {
    if (this.deadline !== null) return this.finished >= this.accepted;
    this.deadline = Date.now() + timeoutMs;
    this.wake(0);
    const isDone = await this.reached(this.accepted, timeoutMs);
    if (!isDone) {
      this.dropQueue();
      // The batch being sent counts as dropped: it may still arrive, but nothing will report that.
      this.drop(this.accepted - this.finished, NOT_IN_TIME);
      this.finished = this.accepted;
      this.queuedBytes = 0;
      this.sender.close();
    }
    return isDone;
  }

  /** Stop in the background within this time, because another delivery takes over. */
  retire(timeoutMs: number): void {
    this.deadline ??= Date.now() + timeoutMs;
    this.wake(0);
  }

  stats(): Stats {
    const reasons = Object.fromEntries(this.drops);
    const dropped = Object.values(reasons).reduce((sum, count) => sum + count, 0);
    const queued = this.accepted - this.finished;
    return { sent: this.sent, dropped, queued, queuedBytes: this.queuedBytes, reasons };
  }

  private isFull(size: number): boolean {
    const queued = this.accepted - this.finished;
    return queued >= this.limits.maxQueueSpans || this.queuedBytes + size > this.limits.maxQueueBytes;
  }

  private add(item: Item): void {
    this.queue.push(item);
    this.queuedBytes += item.size;
    this.accepted += 1;
    const hasBatch = this.queue.length >= this.limits.batchSpans || this.queuedBytes >= this.limits.batchBytes;
    this.wake(hasBatch ? 0 : this.limits.intervalMs);
  }

  /** Send the queue after this time, unless it is being sent or will be sent earlier. */
  private wake(delayMs: number): void {
    if (this.isRunning || (this.timer !== null && delayMs > 0)) return;
    clearTimeout(this.timer as ReturnType<typeof setTimeout>);
    // Without the context of the code that ended the span: it would be kept in memory, and be the parent of requests.
    this.timer = context.with(ROOT_CONTEXT, () => setTimeout(() => void this.run(), delayMs));
    unreference(this.timer);
  }

  private async run(): Promise<void> {
    this.timer = null;
    if (this.isRunning) return;
    this.isRunning = true;
    for (let batch = this.nextBatch(); batch.length; batch = this.nextBatch()) await this.sendBatch(batch);
    this.isRunning = false;
  }

  private nextBatch(): Item[] {
    if (this.deadline !== null && Date.now() > this.deadline) this.dropQueue();
    let bytes = 0;
    let count = 0;
    for (const item of this.queue) {
      bytes += item.size;
      const isOfOtherKind = Boolean(item.span) !== Boolean(this.queue[0]!.span);
      if (count && (isOfOtherKind || bytes > this.limits.batchBytes || count >= this.limits.batchSpans)) break;
      count += 1;
    }
    return this.queue.splice(0, count);
  }

  private async sendBatch(batch: Item[]): Promise<void> {
    let outcome: Outcome;
    try {
      outcome = await this.sender.send(batch);
    } catch (failure) {
      outcome = { lost: batch.length, reason: typeOf(failure) };
    }
    if (this.finished >= this.accepted) return; // `stop` timed out meanwhile and counted the batch
    this.finished += batch.length;
    // Only now: spans that are being sent are still in memory.
    for (const item of batch) this.queuedBytes -= item.size;
    this.sent += batch.length - outcome.lost;
    this.failedAt = outcome.lost ? Date.now() : null;
    if (outcome.reason) this.drop(outcome.lost, outcome.reason);
    for (const check of [...this.waiting]) check();
  }

  /** Resolve to whether so many spans are finished within the time. The process stays alive until then. */
  private reached(target: number, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.finished >= target) return resolve(true);
      const end = (): void => {
        clearTimeout(timer);
        this.waiting = this.waiting.filter((other) => other !== check);
        resolve(this.finished >= target);
      };
      const check = (): void => {
        if (this.finished >= target) end();
      };
      const timer = setTimeout(end, timeoutMs);
      this.waiting.push(check);
    });
  }

  private dropQueue(): void {
    this.drop(this.queue.length, NOT_IN_TIME);
    this.finished += this.queue.length;
    for (const item of this.queue) this.queuedBytes -= item.size;
    this.queue = [];
    for (const check of [...this.waiting]) check();
  }

  private drop(count: number, reason: string): void {
    if (count <= 0) return;
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + count);
    logOnce(
      `dropped ${reason}`,
      `Spans are being dropped: ${reason}. This is logged once; stats() of tracestore-client counts them.`,
    );
  }
}
