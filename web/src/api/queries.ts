/** The requests of the views, with what they share: caching, retries and polling. */

import { QueryClient } from "@tanstack/svelte-query";
import { session } from "../auth/session.svelte.ts";
import { ApiError } from "./errors.ts";
import { forget, get, type Query } from "./http.ts";
import type { Changes, Facets, ListPage, Me, Outline, OutlineSpan, Span, TraceSummary } from "./types.ts";
import { applied } from "../trace/changes.ts";

const RETRIES = 2;

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      refetchOnWindowFocus: false,
      // Otherwise only those who have read the property that changed get a result. A view that reads the data of
      // its second query once the first has its own would never get it, if the second is answered first.
      notifyOnChangeProps: "all",
      networkMode: "always", // a server on this machine is reached without a network too
      retry: (failures, error) => failures < RETRIES && isTransient(error),
      retryDelay: (attempt, error) =>
        error instanceof ApiError && error.retryAfter !== null ? error.retryAfter * 1000 : 500 * 2 ** attempt,
    },
  },
});

/** End the session, and forget all that was read in it. */
export function signOut(): void {
  session.signOut();
  forget();
  queryClient.clear();
}

function isTransient(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500);
}

/** The start of each key: the data of one owner is never shown to another. */
const owned = (...key: unknown[]): unknown[] => [session.owner, ...key];

const tracePath = (id: string): string => `/api/analytics/traces/${encodeURIComponent(id)}`;
export const spanPath = (id: string, span: string): string =>
  `${tracePath(id)}/spans/${encodeURIComponent(span)}`;

export const meQuery = () => ({
  queryKey: owned("me"),
  queryFn: async ({ signal }: { signal: AbortSignal }) =>
    (await get<{ data: Me }>("/api/me", {}, signal)).data,
  staleTime: 300_000,
});

export const facetsQuery = (range: Query) => ({
  queryKey: owned("facets", range),
  queryFn: async ({ signal }: { signal: AbortSignal }) =>
    (await get<{ facets: Facets }>("/api/analytics/facets", range, signal)).facets,
  staleTime: 60_000,
});

/** A trace as it stands in a list; null if there is none with this id. */
export const summaryQuery = (id: string) => ({
  queryKey: owned("summary", id),
  queryFn: async ({ signal }: { signal: AbortSignal }) =>
    (await get<ListPage>("/api/analytics/traces", { view: "summary", trace_id: id }, signal)).traces[0] ??
    null,
});

const POLL_MS = 3000;

/** Whether a trace still grows, or may: it is running, or has changed within the last minute. */
export function mayGrow(summary: TraceSummary, now: number): boolean {
  return summary.status === "pending" || now - Date.parse(summary.updated_at) < 60_000;
}

/** The whole outline of a trace; while it grows, only what changed is fetched and the other rows stay the same objects. */
export const outlineQuery = (id: string, live: boolean) => ({
  queryKey: owned("outline", id),
  queryFn: async ({ signal }: { signal: AbortSignal }): Promise<Outline> => {
    const before = queryClient.getQueryData<Outline>(owned("outline", id));
    if (before?.version) {
      const answer = await get<Changes | (Outline & { full: true })>(
        tracePath(id),
        { view: "outline", since: before.version },
        signal,
      ).catch((error: unknown) => {
        if (error instanceof ApiError && error.status === 304) return null;
        throw error;
      });
      if (answer === null) return before;
      if (!answer.full) return applied(before, answer);
    }
    return await wholeOutline(id, signal);
  },
  staleTime: 0,
  refetchInterval: (query: { state: { data?: Outline | undefined; error: unknown } }) => {
    const { data, error } = query.state;
    return live && !error && data && mayGrow(data.trace.summary, Date.now()) ? POLL_MS : false;
  },
});

/** All pages of an outline. Pages of different versions do not belong together: then it begins again. */
async function wholeOutline(id: string, signal: AbortSignal): Promise<Outline> {
  for (let attempt = 0; ; attempt++) {
    const first = await get<Outline>(tracePath(id), { view: "outline" }, signal);
    const rows: OutlineSpan[] = [...first.trace.outline];
    let cursor = first.next_cursor;
    let torn = false;
    while (cursor) {
      const page = await get<Outline>(tracePath(id), { view: "outline", cursor }, signal);
      torn ||= page.version !== first.version;
      rows.push(...page.trace.outline);
      cursor = page.next_cursor;
    }
    if (!torn || attempt >= 2) {
      return { ...first, trace: { summary: first.trace.summary, outline: rows }, next_cursor: null };
    }
  }
}

export interface Neighbours {
  before: string | null;
  after: string | null;
  /** In the list of one conversation: the number of the trace among its turns, and the number of them all. */
  turn: number | null;
  turns: number | null;
}

/** The traces next to one trace in a list with these parameters. */
export const neighboursQuery = (id: string, list: Query) => ({
  queryKey: owned("neighbours", id, list),
  queryFn: async ({ signal }: { signal: AbortSignal }) =>
    (await get<{ data: Neighbours }>(`${tracePath(id)}/neighbours`, list, signal)).data,
  retry: false,
});

export const spanQuery = (trace: string, span: string, version: string | null) => ({
  queryKey: owned("span", trace, span, version),
  queryFn: async ({ signal }: { signal: AbortSignal }) =>
    (await get<{ data: Span }>(spanPath(trace, span), {}, signal)).data,
  staleTime: 300_000,
});
