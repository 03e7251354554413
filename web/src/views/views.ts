/** Saved views of the list: filters, order, range and columns under a title. */

import { listOf } from "../list/filters.ts";

const SERVED_MAX = 4096;

export interface View {
  title: string;
  /** The query string of the list. */
  query: string;
}

/** Views that everyone has. */
export const BUILT_IN: readonly View[] = [
  { title: "Failed today", query: "status=error&range=today" },
  { title: "Most expensive in 7 days", query: "order_by=cost&range=7d" },
];

/** What a view keeps of an address. Columns that this browser hides become part of it. */
export function queryOf(address: URLSearchParams, columns: readonly string[] | null): string {
  const kept = listOf(address);
  if (columns && !kept.has("columns")) kept.set("columns", columns.join(","));
  return kept.toString();
}

/** Whether two queries ask for the same, in whatever order. */
export function isSame(one: string, other: string): boolean {
  const sorted = (query: string) =>
    JSON.stringify([...new URLSearchParams(query)].map((pair) => pair.join("=")).sort());
  return sorted(one) === sorted(other);
}

/** Why a view cannot be saved; null if it can. */
export function refusalOf(title: string, query: string): string | null {
  if (!title.trim()) return "A view needs a title.";
  if ([...title.trim()].length > 128) return "A title has at most 128 characters.";
  if (new TextEncoder().encode(query).length > SERVED_MAX) return "These filters are too long to be saved.";
  return null;
}

/**
 * The name of a view in addresses of the API, made of its title: letters, digits and hyphens, and a number where another
 * title has it already.
 */
export function nameOf(title: string, taken: readonly { name: string; title: string }[]): string {
  const wanted = title.trim();
  const same = taken.find((view) => view.title === wanted);
  if (same) return same.name;
  const plain = wanted
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 56);
  const base = plain || "view";
  const names = new Set(taken.map(({ name }) => name));
  for (let number = 1; ; number++) {
    const name = number === 1 ? base : `${base}-${number}`;
    if (!names.has(name)) return name;
  }
}
