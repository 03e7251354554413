/** The lessons of a list. */

import { get, type Query } from "../api/http.ts";
import type { LessonSummary } from "../api/types.ts";
import { LiveList, type Page } from "../lib/live-list.svelte.ts";

export interface LessonPage {
  traces: LessonSummary[];
  next_cursor: string | null;
  total: number | null;
  scanned_to: string | null;
}

interface Lessons extends Page<LessonSummary> {
  total: number | null;
}

const STEP = 50;
/** A poll reaches down to the last lesson that is still running, but never further than this. */
const POLLED_MAX = 500;

/** The pages of responses: the same page for the same response. */
const pages = new WeakMap<LessonPage, Lessons>();

function pageOf(answer: LessonPage): Lessons {
  const known = pages.get(answer);
  if (known) return known;
  const { traces, ...rest } = answer;
  const page = { rows: traces, ...rest };
  pages.set(answer, page);
  return page;
}

export const LESSON_ROWS = {
  id: (row: LessonSummary) => row.id,
  position: (row: LessonSummary) => Date.parse(row.created_at),
  version: (row: LessonSummary) => row.updated_at,
};

export class LessonList extends LiveList<LessonSummary, Lessons> {
  /** The number of lessons that match; null where no index has it. */
  total = $state<number | null>(null);

  protected readonly of = LESSON_ROWS;

  override show(parameters: Query): void {
    this.total = null;
    super.show(parameters);
  }

  protected async page(query: Query, signal: AbortSignal): Promise<Lessons> {
    return pageOf(
      await get<LessonPage>("/api/traces", { view: "summary", ...this.parameters, ...query }, signal),
    );
  }

  protected received(page: Lessons): void {
    this.total = page.total ?? this.total;
  }

  protected override polled(): number {
    const running = this.rows.findLastIndex((row) => row.status === "started") + 1;
    return Math.min(POLLED_MAX, Math.max(STEP, Math.ceil(running / STEP) * STEP));
  }

  /** Filters may have looked further back than the last lesson that matches. */
  protected override reachOf(head: Lessons): number | null {
    const last = head.rows.at(-1)?.created_at ?? head.scanned_to;
    return last === null ? null : Date.parse(last);
  }
}
