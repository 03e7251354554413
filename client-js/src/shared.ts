/**
 * The state of this process, in one place on `globalThis`.
 *
 * A bundler such as that of Next.js copies this package into each of its bundles, and a process may load both its ES
 * modules and its CommonJS form. All copies have to send through the one queue that `configure` has set up.
 */

import type { Tracer } from "@opentelemetry/api";

import type { Delivery } from "./delivery.js";
import type { Settings } from "./settings.js";

/** The methods of a logger that the client calls. `console` has them. */
export interface Logger {
  warn(message: string): void;
  error(message: string): void;
}

/** The results of the last `configure`. Before the first one, nothing is sent. */
export interface Shared {
  settings: Settings | null;
  delivery: Delivery | null;
  /** The tracer of our own provider, or null while there is none. */
  tracer: Tracer | null;
  /** Whether `spanProcessor` has given the application a processor for its own provider. */
  hasProcessor: boolean;
  hasExitHook: boolean;
  logger: Logger;
  loggedKinds: Set<string>;
}

const KEY = Symbol.for("tracestore-client 0.1");
const globals = globalThis as { [KEY]?: Shared };

export const shared: Shared = (globals[KEY] ??= {
  settings: null,
  delivery: null,
  tracer: null,
  hasProcessor: false,
  hasExitHook: false,
  logger: console,
  loggedKinds: new Set(),
});
