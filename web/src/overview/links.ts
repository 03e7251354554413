/** The traces behind a mark: an address of the list with the range and the filters of the mark. */

import { router, type Parameters } from "../lib/router.svelte.ts";
import { exactly } from "../list/filters.ts";

/** The filters that the overview has, in the names of the API and of the list. */
export const FILTERS = ["model_name", "model_provider", "operation_type"] as const;

export type Filters = Partial<Record<(typeof FILTERS)[number], string>>;

/** The filters of an address. */
export function filtersOf(query: URLSearchParams): Filters {
  const filters: Filters = {};
  for (const name of FILTERS) {
    const value = query.get(name);
    if (value) filters[name] = value;
  }
  return filters;
}

/** The kinds of spans that are model calls: the list hides traces without one unless it is asked for all. */
const MODEL_CALLS = new Set(["completion", "embedding", "rerank"]);

const iso = (time: number): string => new Date(time).toISOString();

/**
 * The parameters of the list for the traces between two times.
 * @param only filters by name; those with a null value are left out, as the list has no filter for "without a value"
 */
export function tracesOf(
  start: number,
  end: number,
  only: Record<string, string | null> = {},
  more: Parameters = {},
): Parameters {
  const filters: Record<string, string> = {};
  for (const [name, value] of Object.entries(only)) if (value !== null) filters[name] = exactly(value);
  const others = "operation_type" in filters && !MODEL_CALLS.has(filters.operation_type ?? "");
  return { ...filters, ...(others ? { all: "1" } : {}), from: iso(start), to: iso(end), ...more };
}

export const hrefOf = (parameters: Parameters): string => router.href({ view: "list" }, parameters);
