/** What a poll changes in a list of lessons. */

import type { LessonSummary } from "../api/types.ts";
import type { LessonPage } from "./lessons.svelte.ts";

type Head = Pick<LessonPage, "traces" | "next_cursor" | "scanned_to">;

/**
 * The rows with the news of the first page: changed ones in place, lessons that are gone left out. Lessons that began after
 * the first row are returned separately.
 */
export function merged(
  rows: readonly LessonSummary[],
  head: Head,
): { rows: LessonSummary[]; newer: LessonSummary[] } {
  const news = new Map(head.traces.map((row) => [row.id, row]));
  const shown = new Set(rows.map((row) => row.id));
  const last = head.traces.at(-1)?.created_at ?? head.scanned_to;
  // Older lessons than the page has are beyond its reach.
  const isBeyond = (row: LessonSummary): boolean =>
    head.next_cursor !== null && (last === null || Date.parse(row.created_at) <= Date.parse(last));
  let kept = rows
    .filter((row) => news.has(row.id) || isBeyond(row))
    .map((row) => {
      const now = news.get(row.id);
      return now && now.updated_at !== row.updated_at ? now : row;
    });
  const fresh = head.traces.filter((row) => !shown.has(row.id));
  const first = rows[0] ? Date.parse(rows[0].created_at) : -Infinity;
  const newer = fresh.filter((row) => Date.parse(row.created_at) > first);
  const late = fresh.filter((row) => Date.parse(row.created_at) <= first);
  if (late.length) {
    kept = [...kept, ...late].sort((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at));
  }
  return { rows: kept, newer };
}
