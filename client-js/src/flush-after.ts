/** A flush before a handler returns: Lambda freezes the process between two calls, together with its queue. */

import { shared } from "./shared.js";
import { flush } from "./state.js";

/** How long handlers skip the flush after the store has failed. */
const PAUSE_MS = 30_000;

let lastTimeout: number | null = null; // when a flush last timed out

/**
 * A handler that sends its spans before it returns or throws.
 *
 * Each call takes longer by the time of the request to the store, and by at most `timeoutMs`. For 30 seconds after the
 * store has failed, handlers do not wait for it.
 */
export function flushAfter<A extends unknown[], R>(
  handler: (...args: A) => R | Promise<R>,
  timeoutMs = 2_000,
): (...args: A) => Promise<R> {
  return async function (this: unknown, ...args: A): Promise<R> {
    try {
      return await handler.apply(this, args);
    } finally {
      await flushUnlessFailing(timeoutMs);
    }
  };
}

async function flushUnlessFailing(timeoutMs: number): Promise<void> {
  const now = Date.now();
  const failures = [shared.delivery?.failedAt ?? null, lastTimeout];
  if (failures.some((time) => time !== null && now - time < PAUSE_MS)) return;
  lastTimeout = (await flush(timeoutMs)) ? null : Date.now();
}
