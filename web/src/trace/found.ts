/** Where the search in a trace found its text, by the parts of the spans. */

import type { Match } from "../api/types.ts";
import type { SpanNode } from "./tree.ts";

/** The parts of a span that can be searched by themselves. */
export const SCOPES = {
  names: "Names",
  errors: "Errors",
  inputs: "Inputs",
  outputs: "Outputs",
  metadata: "Metadata",
} as const;
export type Scope = keyof typeof SCOPES;

const SCOPE_OF: Readonly<Record<Match["matched_in"][number]["field"], Scope>> = {
  name: "names",
  error: "errors",
  input: "inputs",
  output: "outputs",
  metadata: "metadata",
  events: "metadata",
  links: "metadata",
};

/** Where a text was found in one span: an excerpt for each part that contains it. */
export type Excerpts = ReadonlyMap<Scope, string>;
export type Found = ReadonlyMap<string, Excerpts>;

/** What the outline alone contains: names and errors, at once and without a request. */
export function foundInOutline(spans: ReadonlyMap<string, SpanNode>, text: string): Found {
  const found = new Map<string, Excerpts>();
  const wanted = text.toLowerCase();
  if (!wanted) return found;
  const hit = (...values: (string | null | undefined)[]): string | undefined =>
    values.find((value) => value?.toLowerCase().includes(wanted)) ?? undefined;
  for (const [key, { row }] of spans) {
    const excerpts = new Map<Scope, string>();
    const name = hit(row.span_name, row.tool_name, row.model_name);
    const error = hit(row.error_type, row.error_message);
    if (name !== undefined) excerpts.set("names", name);
    if (error !== undefined) excerpts.set("errors", error);
    if (excerpts.size) found.set(key, excerpts);
  }
  return found;
}

/** What the API found. */
export function storedIn(matches: readonly Match[]): Found {
  return new Map(
    matches.map(({ span_id, matched_in }) => [
      span_id,
      new Map(matched_in.map(({ field, excerpt }) => [SCOPE_OF[field], excerpt])),
    ]),
  );
}

/** Both; of a part that is in both, the excerpt of the second. */
export function joined(first: Found, second: Found): Found {
  const all = new Map(first);
  for (const [key, excerpts] of second) all.set(key, new Map([...(first.get(key) ?? []), ...excerpts]));
  return all;
}

export function matchesOf(found: Found, scopes: ReadonlySet<Scope>): ReadonlyMap<string, string> {
  const matches = new Map<string, string>();
  for (const [key, excerpts] of found) {
    const hit = [...excerpts].find(([scope]) => !scopes.size || scopes.has(scope));
    if (hit) matches.set(key, `${SCOPES[hit[0]]}: ${hit[1]}`);
  }
  return matches;
}

export function countsOf(found: Found): ReadonlyMap<Scope, number> {
  const counts = new Map<Scope, number>();
  for (const excerpts of found.values())
    for (const scope of excerpts.keys()) counts.set(scope, (counts.get(scope) ?? 0) + 1);
  return counts;
}
