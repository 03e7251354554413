/** The filters of the list, in the names of the API: the address of the page has them as they are sent. */

import { dayStart } from "../lib/days.ts";

export interface FilterField {
  name: string;
  label: string;
  /** The facet with its values, or fixed values, or neither: then any text. */
  facet?: string;
  values?: readonly string[];
  hint?: string;
  /** Whether `!value` is accepted. */
  negatable: boolean;
}

const BOOLEAN = ["true", "false"] as const;

const faceted = (name: string, label: string): FilterField => ({ name, label, facet: name, negatable: true });

export const FIELDS: readonly FilterField[] = [
  { name: "status", label: "status", values: ["error", "success", "pending"], negatable: false },
  { name: "has_errors", label: "any span failed", values: BOOLEAN, negatable: false },
  faceted("model_name", "model"),
  faceted("model_provider", "provider"),
  faceted("operation_type", "kind"),
  faceted("span_name", "span"),
  faceted("tool_name", "tool"),
  faceted("error_type", "error"),
  faceted("end_user_id", "user"),
  faceted("service_name", "service"),
  faceted("environment", "environment"),
  faceted("release", "release"),
  faceted("tag", "tag"),
  faceted("prompt_version", "prompt version"),
  { name: "conversation_id", label: "conversation", negatable: true },
  { name: "min_duration_ms", label: "at least ms", hint: "a number, such as 2000", negatable: false },
  { name: "max_duration_ms", label: "at most ms", hint: "a number, such as 500", negatable: false },
  { name: "min_cost_usd", label: "at least $", hint: "a number, such as 0.01", negatable: false },
  { name: "min_tokens", label: "at least tokens", hint: "a number, such as 10000", negatable: false },
  { name: "has_fallback", label: "fell back", values: BOOLEAN, negatable: false },
  { name: "has_retry", label: "retried", values: BOOLEAN, negatable: false },
  { name: "interrupted", label: "interrupted", values: BOOLEAN, negatable: false },
  { name: "label", label: "label", hint: "name or name:value", negatable: true },
];

const BY_NAME = new Map(FIELDS.map((field) => [field.name, field]));
const WALKED = /^(metadata\.|score\.)/;

/** Whether a parameter of the address is a filter. */
export const isFilter = (name: string): boolean =>
  BY_NAME.has(name) || WALKED.test(name) || name === "search" || name === "search_in" || name === "trace_id";

const LIST_STATE = new Set(["range", "from", "to", "all", "order_by", "columns"]);

/** The parameters of an address that make its list: filters, range, order and columns, without a preview or a selection. */
export const listOf = (query: URLSearchParams): URLSearchParams =>
  new URLSearchParams([...query].filter(([name]) => isFilter(name) || LIST_STATE.has(name)));

export interface Token {
  name: string;
  value: string;
  text: string;
}

const WORDS: Record<string, string> = {
  error: "failed",
  success: "succeeded",
  pending: "running",
  true: "yes",
  false: "no",
};

/** A value as people say it: `failed` for `error`. */
export const wordOf = (field: FilterField, value: string): string =>
  field.values ? (WORDS[value] ?? value) : value;

/** A value as a filter takes it. There, an exclamation mark in front means *not*, unless a backslash is before it. */
export const exactly = (value: string): string => (/^(!|\\[!\\])/.test(value) ? `\\${value}` : value);

/** A filter in words: `model: not gpt-4o`. */
export function tokenOf(name: string, value: string): Token {
  const field = BY_NAME.get(name);
  const negated = value.startsWith("!");
  const plain = (negated ? value.slice(1) : value).replace(/^\\(?=[!\\])/, "");
  const shown = field ? wordOf(field, plain) : plain;
  const label = name === "search" ? "text" : name === "search_in" ? "text in" : (field?.label ?? name);
  return { name, value, text: `${label}: ${negated ? "not " : ""}${shown}` };
}

/** The filters of an address, in its order. */
export function tokensOf(query: URLSearchParams): Token[] {
  return [...query].filter(([name]) => isFilter(name)).map(([name, value]) => tokenOf(name, value));
}

/** Text in the filter field: `model: gpt` is about a field, anything else is a search. */
export function parsed(text: string): { field: FilterField; value: string } | null {
  const match = /^\s*([^:]+?)\s*:\s*(.*)$/.exec(text);
  if (!match) return null;
  const name = (match[1] as string).toLowerCase();
  const field = FIELDS.find((candidate) => candidate.name === name || candidate.label === name);
  if (field) return { field, value: match[2] as string };
  if (WALKED.test(name))
    return {
      field: { name, label: name, negatable: name.startsWith("metadata.") },
      value: match[2] as string,
    };
  return null;
}

const WORD_VALUES = new Map(Object.entries(WORDS).map(([value, word]) => [word, value]));

/** The value to send for what a reader typed: `not x` and `!x` negate, `failed` is `error`. */
export function valueOf(field: FilterField, typed: string): string {
  const text = typed.trim();
  if (field.values) return WORD_VALUES.get(text) ?? text;
  if (!field.negatable) return text;
  if (/^not\s+/i.test(text)) return `!${text.replace(/^not\s+/i, "")}`;
  return text;
}

/** Ranges of time: their length, or that they begin with the day, or null for everything that is stored. */
export const RANGES: Record<string, { label: string; ms: number | null; today?: true }> = {
  "1h": { label: "Last hour", ms: 3_600_000 },
  today: { label: "Today", ms: null, today: true },
  "24h": { label: "Last 24 hours", ms: 86_400_000 },
  "7d": { label: "Last 7 days", ms: 7 * 86_400_000 },
  "30d": { label: "Last 30 days", ms: 30 * 86_400_000 },
  all: { label: "All that is stored", ms: null },
};

export const DEFAULT_RANGE = "7d";

const MINUTE = 60_000;

/**
 * The range of an address as the API takes it: `from` and `to`, the length `range` up to now, or the day of the zone. Its
 * start is on a whole minute, so that polls within a minute ask the same.
 */
export function rangeOf(
  query: URLSearchParams,
  now: number,
  zone: string,
): { start_date?: string; end_date?: string } {
  const from = query.get("from");
  const to = query.get("to");
  if (from || to) return { ...(from ? { start_date: from } : {}), ...(to ? { end_date: to } : {}) };
  const range = RANGES[query.get("range") ?? DEFAULT_RANGE] ?? RANGES[DEFAULT_RANGE];
  if (range?.today) return { start_date: new Date(dayStart(now, zone)).toISOString() };
  const length = range?.ms ?? null;
  return length === null
    ? {}
    : { start_date: new Date(Math.floor((now - length) / MINUTE) * MINUTE).toISOString() };
}

/** The parameters of the API for an address of the list. */
export function parametersOf(
  query: URLSearchParams,
  now: number,
  zone: string,
): Record<string, string | string[]> {
  const parameters: Record<string, string[]> = {};
  for (const [name, value] of query) if (isFilter(name)) (parameters[name] ??= []).push(value);
  if (!query.has("search")) delete parameters.search_in;
  const asksForTraces = ["conversation_id", "trace_id", "has_model_call"].some((name) => name in parameters);
  if (!query.has("all") && !asksForTraces) parameters.has_model_call = ["true"];
  return { ...parameters, ...rangeOf(query, now, zone) };
}
