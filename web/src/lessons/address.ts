/** The filters of lessons in the address of the page, as the API takes them. */

import { rangeOf } from "../list/filters.ts";

/** Filters that an index or the statistics have, in the names of the API. */
export const FILTERS = ["status", "lesson_id", "provider_used", "search"] as const;

export type Filter = (typeof FILTERS)[number];

/** The parameters of the list of lessons. */
export function listParameters(query: URLSearchParams, now: number, zone: string): Record<string, string> {
  return { ...filtersOf(query, FILTERS), ...rangeOf(query, now, zone) };
}

/** The parameters of the statistics, which know neither status nor text. */
export function statisticsParameters(
  query: URLSearchParams,
  now: number,
  zone: string,
): Record<string, string> {
  return { ...filtersOf(query, ["lesson_id", "provider_used"]), ...rangeOf(query, now, zone) };
}

function filtersOf(query: URLSearchParams, names: readonly Filter[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = query.get(name)?.trim();
      return value ? [[name, value]] : [];
    }),
  );
}

/** The id of the same trace everywhere else: a UUID in lower case has no hyphens there. */
export function traceIdOf(id: string): string {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id) ? id.replaceAll("-", "") : id;
}
