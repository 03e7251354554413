/** Failures of tracing itself: each kind is logged once, and none reaches the application. */

import { shared } from "./shared.js";

const MAX_KINDS = 1_000; // so that kinds built at run time cannot fill the memory

/** Log the message, unless this process has already logged one of this kind. Never throws, even if the logger does. */
export function logOnce(kind: string, message: string, level: "warn" | "error" = "warn"): void {
  if (shared.loggedKinds.has(kind) || shared.loggedKinds.size >= MAX_KINDS) return;
  shared.loggedKinds.add(kind);
  try {
    shared.logger[level](`tracestore-client: ${message}`);
  } catch {
    return;
  }
}

/** The result of `run`. If it throws, the failure is logged once under this name, and the result is `fallback`. */
export function guarded<T>(name: string, fallback: T, run: () => T): T {
  try {
    return run();
  } catch (failure) {
    // Only the type is logged: the message may quote traced content.
    const type = typeOf(failure);
    logOnce(`failed ${name}`, `Tracing failed with ${type} in ${name}. The application is not affected.`);
    return fallback;
  }
}

/** What `make` creates from an application's options, or from none if they cannot be read. */
export function created<T, O>(name: string, options: O, make: (options: O) => T): T {
  return guarded<T | null>(name, null, () => make(options)) ?? make({} as O);
}

/** The name of a thrown value's class. */
export function typeOf(failure: unknown): string {
  try {
    if (failure instanceof Error) return String(failure.name || failure.constructor.name).slice(0, 256);
    return failure === null ? "null" : typeof failure;
  } catch {
    return "Error";
  }
}
