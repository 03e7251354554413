/** Annotations of a trace and its spans: reading, writing and removing them. */

import { change, get } from "../api/http.ts";
import { queryClient } from "../api/queries.ts";
import type { components } from "../api/schema.d.ts";
import { ApiError } from "../api/errors.ts";
import { session } from "../auth/session.svelte.ts";

export type Annotation = components["schemas"]["Annotation"];

/** The name under which `+` and `-` store what a reader thinks of a trace or a span. */
export const FEEDBACK = "feedback";
export const NOTE = "note";

const VALUE_MAX = 512;
const COMMENT_BYTES_MAX = 4096;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

const pathOf = (trace: string): string => `/api/analytics/traces/${encodeURIComponent(trace)}/annotations`;
const keyOf = (trace: string): unknown[] => [session.owner, "annotations", trace];

export const annotationsQuery = (trace: string) => ({
  queryKey: keyOf(trace),
  queryFn: async ({ signal }: { signal: AbortSignal }) =>
    (await get<{ annotations: Annotation[] }>(pathOf(trace), {}, signal)).annotations,
  staleTime: 15_000,
});

/** What a reader wants to say. */
export interface Draft {
  kind: "score" | "label" | "tag" | "note";
  name: string;
  /** A number, a label or a note, as it was typed. */
  text: string;
  comment: string;
}

export interface Sent {
  name: string;
  value: number | string | boolean;
  comment?: string;
}

/** The annotation of a draft, or why there is none. */
export function sentOf({ kind, name, text, comment }: Draft): Sent | string {
  const typed = text.trim();
  const said = comment.trim();
  const wanted = kind === "note" ? NOTE : name.trim();
  if (!NAME.test(wanted))
    return "A name has letters, digits, dots, hyphens and underscores, and begins with a letter or a digit.";
  if (new TextEncoder().encode(JSON.stringify(kind === "note" ? typed : said)).length > COMMENT_BYTES_MAX)
    return "The text is too long: 4,096 bytes at most.";
  const more = said && kind !== "note" ? { comment: said } : {};
  switch (kind) {
    case "score": {
      const value = Number(typed.replace(",", "."));
      if (!typed || !Number.isFinite(value)) return "A score is a number, such as 0.8.";
      return { name: wanted, value, ...more };
    }
    case "label":
      if (!typed) return "A label needs a text.";
      if ([...typed].length > VALUE_MAX) return `A label has at most ${VALUE_MAX} characters. Use a note.`;
      return { name: wanted, value: typed, ...more };
    case "tag":
      return { name: wanted, value: true, ...more };
    case "note": {
      if (!typed) return "A note needs a text.";
      const short = [...typed];
      if (short.length <= VALUE_MAX) return { name: wanted, value: typed };
      return { name: wanted, value: `${short.slice(0, VALUE_MAX - 1).join("")}…`, comment: typed };
    }
  }
}

/** Store an annotation of the trace, or of one of its spans. */
export async function annotate(
  trace: string,
  span: string | null,
  source: string,
  sent: Sent,
): Promise<void> {
  const { name, ...body } = sent;
  // Several notes of one person stand side by side; a second score of a name replaces the first one. The id names the span,
  // because a deletion without a span is about all annotations with the same id.
  const id =
    name === NOTE
      ? crypto.randomUUID()
      : span === null
        ? source
        : `${source.slice(0, 60)} ${span.slice(0, 60)}`;
  await change(
    "PUT",
    `${pathOf(trace)}/${encodeURIComponent(name)}`,
    {},
    {
      ...body,
      id,
      source,
      ...(span === null ? {} : { span_id: span }),
    },
  );
  await queryClient.invalidateQueries({ queryKey: keyOf(trace) });
}

export async function removeAnnotation({ trace_id, name, id, span_id, source }: Annotation): Promise<void> {
  const query = { id, source, ...(span_id === null ? {} : { span_id }) };
  if (span_id === null) {
    // Without a span in the query, annotations of spans with the same id and source would be deleted as well.
    const all = await get<{ annotations: Annotation[] }>(pathOf(trace_id));
    const others = all.annotations.filter(
      (one) => one.name === name && one.id === id && one.source === source && one.span_id !== null,
    );
    if (others.length)
      throw new ApiError(0, "ambiguous", "Annotations of spans have the same name and source.");
  }
  await change("DELETE", `${pathOf(trace_id)}/${encodeURIComponent(name)}`, query);
  await queryClient.invalidateQueries({ queryKey: keyOf(trace_id) });
}

/** An annotation in words: `quality 0.8`, `star`, `category: travel`. */
export function wordsOf({ name, value }: Pick<Annotation, "name" | "value">): string {
  if (name === FEEDBACK && typeof value === "boolean") return value ? "good" : "bad";
  if (value === true) return name;
  if (name === NOTE) return String(value);
  return typeof value === "string" ? `${name}: ${value}` : `${name} ${String(value)}`;
}

/** The filter of the list that finds traces with the same annotation. */
export function filterOf({ name, value }: Pick<Annotation, "name" | "value">): Record<string, string> {
  if (typeof value === "number") return { [`score.${name}>`]: String(value) };
  return { label: value === true && name !== FEEDBACK ? name : `${name}:${String(value)}` };
}
