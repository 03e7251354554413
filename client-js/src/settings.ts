/** The settings of `configure`, from its options or the environment, validated. */

import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";

import type { Logger } from "./shared.js";

export const PATH = "/v1/traces";

/** Limits on the memory and time that tracing takes from the application. */
export interface Limits {
  /** Size of the queue, in spans. When it is full, new spans are dropped. */
  maxQueueSpans: number;
  /** Size of the queue, in bytes. */
  maxQueueBytes: number;
  /** Size of one input, output or attribute. */
  maxValueCharacters: number;
  /** Size of one span. The store accepts 4 MiB. */
  maxSpanBytes: number;
  /** Size of one request, in spans. */
  batchSpans: number;
  /** Size of one request, in bytes. Encoding a batch blocks the event loop, so it is kept small. */
  batchBytes: number;
  /** Time between requests, if spans are queued. */
  intervalMs: number;
  /** Time for one request including its retries. */
  exportTimeoutMs: number;
  /** The longest time that tracing delays the end of the process. */
  exitTimeoutMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  maxQueueSpans: 4_096,
  maxQueueBytes: 32 * 1024 * 1024,
  maxValueCharacters: 262_144,
  maxSpanBytes: 3 * 1024 * 1024,
  batchSpans: 256,
  batchBytes: 512 * 1024,
  intervalMs: 2_000,
  exportTimeoutMs: 10_000,
  exitTimeoutMs: 3_000,
};

/** How calls of one function become lesson traces. */
export interface LessonRule {
  /**
   * Where the lesson's id is: the position of an argument, a path into the arguments such as `request.lessonId` or
   * `0.id`, or a function of the arguments. A path that begins with a name starts at the first argument that has it.
   */
  lessonId?: string | number | ((...args: any[]) => unknown);
  /** The name of the root span. */
  name?: string;
  /** Arguments that are not recorded, by position, or by name if the argument is an object. */
  exclude?: string | number | readonly (string | number)[];
}

/** Rules by the names of functions. A text or a number is short for `{ lessonId }`; `false` turns tracing off. */
export type LessonRules = Readonly<Record<string, LessonRule | string | number | false>>;

/** The options of `configure`. */
export interface Options {
  /** The store's address. Default: TRACESTORE_ENDPOINT. */
  endpoint?: string;
  /** An API key with the scope ingest. Default: TRACESTORE_API_KEY. */
  apiKey?: string;
  /** The name of this service. Default: OTEL_SERVICE_NAME. */
  serviceName?: string;
  /** Rules for functions that `lesson` or `wrapLesson` has named. Default: TRACESTORE_LESSONS (JSON). */
  lessons?: LessonRules;
  /** Whether to send an ended span. Default: all spans are sent. */
  keep?: (span: ReadableSpan) => boolean;
  limits?: Partial<Limits>;
  /** The receiver of log lines. Default: `console`. */
  logger?: Logger;
}

/** The store's address and key, and the spans to send. */
export interface Settings {
  spansUrl: string;
  capturesUrl: string;
  apiKey: string;
  serviceName: string | undefined;
  lessons: Map<string, LessonRule | false>;
  keep: ((span: ReadableSpan) => boolean) | undefined;
  limits: Limits;
}

/** The configuration cannot be used. The message gives the reason and the remedy. */
export class Unusable extends Error {}

/** Read the settings. An option takes precedence over its environment variable. Throws Unusable. */
export function read(options: Options, environment: Record<string, string | undefined>): Settings {
  const address = options.endpoint || environment.TRACESTORE_ENDPOINT || "";
  const apiKey = (options.apiKey || environment.TRACESTORE_API_KEY || "").trim();
  if (!address) throw new Unusable("no endpoint is set; pass it to configure() or set TRACESTORE_ENDPOINT");
  if (!apiKey) throw new Unusable("no API key is set; pass it to configure() or set TRACESTORE_API_KEY");
  if (!/^[\x20-\x7e]+$/.test(apiKey)) {
    throw new Unusable("the API key contains characters that no key contains; paste it again");
  }
  const base = baseUrl(address);
  return {
    spansUrl: base + PATH,
    capturesUrl: `${base}/api/analytics/traces`,
    apiKey,
    serviceName: options.serviceName || environment.OTEL_SERVICE_NAME || undefined,
    lessons: rules(options.lessons ?? lessonsFrom(environment)),
    keep: options.keep,
    limits: validated({ ...DEFAULT_LIMITS, ...options.limits }),
  };
}

/** A rule in its long form. Throws Unusable when it is invalid. */
export function ruleOf(name: string, value: unknown): LessonRule {
  const rule = typeof value === "string" || typeof value === "number" ? { lessonId: value } : (value ?? {});
  const names = ["lessonId", "name", "exclude"];
  if (typeof rule !== "object" || Object.keys(rule).some((key) => !names.includes(key))) {
    throw new Unusable(`the lesson ${JSON.stringify(name)} accepts only the options lessonId, name and exclude`);
  }
  return rule;
}

function rules(lessons: unknown): Map<string, LessonRule | false> {
  if (typeof lessons !== "object" || lessons === null || Array.isArray(lessons)) {
    throw new Unusable('lessons must be an object such as {"lessons.generate": {"lessonId": "lessonId"}}');
  }
  return new Map(
    Object.entries(lessons).map(([name, value]) => [name, value === false ? false : ruleOf(name, value)] as const),
  );
}

function lessonsFrom(environment: Record<string, string | undefined>): unknown {
  if (!environment.TRACESTORE_LESSONS) return {};
  try {
    return JSON.parse(environment.TRACESTORE_LESSONS) as unknown;
  } catch {
    throw new Unusable("TRACESTORE_LESSONS is not valid JSON");
  }
}

function baseUrl(address: string): string {
  let url: URL;
  try {
    url = new URL(address.trim());
  } catch {
    throw new Unusable("the endpoint is not a URL such as https://traces.example.com");
  }
  if (!["http:", "https:"].includes(url.protocol) || url.search || url.hash || url.username) {
    throw new Unusable("the endpoint is not a URL such as https://traces.example.com");
  }
  const base = url.href.replace(/\/+$/, "");
  return base.endsWith(PATH) ? base.slice(0, -PATH.length) : base;
}

function validated(limits: Limits): Limits {
  if (Object.values(limits).some((value) => !(value > 0))) throw new Unusable("every limit must be greater than 0");
  return limits;
}
