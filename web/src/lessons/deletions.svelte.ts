/** Deletions of lessons: of one, which can be undone for five seconds, and of many, whose progress is shown. */

import { api } from "../base.ts";
import { session } from "../auth/session.svelte.ts";
import { change, get } from "../api/http.ts";
import { queryClient } from "../api/queries.ts";
import type { Deleted } from "../api/types.ts";
import { plural } from "../lib/format.ts";
import { notices } from "../lib/notices.svelte.ts";
import type { LessonPage } from "./lessons.svelte.ts";

const UNDO_MS = 5000;

/** Of a topic in a notice. */
const NAME_LONGEST = 60;

/** From this number on, a reader types it before so many lessons are deleted. */
const TYPED_FROM = 101;

const pathOf = (id: string): string => `/api/traces/${encodeURIComponent(id)}`;

class Deletions {
  /** Lessons that are deleted, or will be in a moment: no list shows them. */
  hidden = $state.raw<ReadonlySet<string>>(new Set());

  #waiting = new Map<string, ReturnType<typeof setTimeout>>();

  constructor() {
    // A reader who closes the page has not undone it.
    addEventListener("pagehide", () => {
      for (const [id, timer] of this.#waiting) {
        clearTimeout(timer);
        void fetch(api(pathOf(id)), { method: "DELETE", headers: session.headers, keepalive: true });
      }
      this.#waiting.clear();
    });
  }

  /** Delete a lesson in five seconds, unless the reader undoes it. */
  delete(id: string, topic: string): void {
    this.#hide(id, true);
    this.#waiting.set(
      id,
      setTimeout(() => void this.#send(id), UNDO_MS),
    );
    const name = topic.length > NAME_LONGEST ? `${topic.slice(0, NAME_LONGEST)}…` : topic;
    notices.show(`Deleted the lesson “${name}”`, "info", () => {
      clearTimeout(this.#waiting.get(id));
      if (!this.#waiting.delete(id)) return;
      this.#hide(id, false);
    });
  }

  async #send(id: string): Promise<void> {
    this.#waiting.delete(id);
    try {
      await change<Deleted>("DELETE", pathOf(id));
      void queryClient.invalidateQueries({ predicate: ({ queryKey }) => queryKey.includes("lessons") });
    } catch (error) {
      this.#hide(id, false);
      notices.show(`Not deleted: ${(error as Error).message}`, "error");
    }
  }

  #hide(id: string, on: boolean): void {
    const next = new Set(this.hidden);
    if (on) next.add(id);
    else next.delete(id);
    this.hidden = next;
  }
}

export const deletions = new Deletions();

type Ask = (question: string, explanation: string, does: string, type: string | null) => Promise<boolean>;

/**
 * Delete all lessons, or those of one `lesson`, if the reader agrees. *returns* the number that is deleted,
 * with the id of the job that removes the rest, if there is a rest. *absent*: null if nothing was deleted.
 */
export async function deleteMany(
  ask: Ask,
  lesson: string | null,
): Promise<{ count: number; job: string | null } | null> {
  const selection = lesson === null ? {} : { lesson_id: lesson };
  try {
    const { total } = await get<LessonPage>("/api/traces", { view: "summary", limit: 1, ...selection });
    const count = total ?? 0;
    if (!count) {
      notices.show("There are no lessons to delete.");
      return null;
    }
    const what = lesson === null ? plural(count, "lesson trace") : plural(count, "trace");
    const agreed = await ask(
      lesson === null
        ? count === 1
          ? "Delete the only lesson trace?"
          : `Delete all ${what}?`
        : `Delete ${what} of “${lesson}”?`,
      `${lesson === null ? "Whatever the filters show: all lesson traces that are stored now are deleted." : "All traces of this lesson that are stored now are deleted, in every range of time."} They cannot be restored. Other traces stay.`,
      count === 1 ? "Delete it" : `Delete ${what}`,
      count >= TYPED_FROM ? String(count) : null,
    );
    if (!agreed) return null;
    const answer = await change<Deleted & { job_id?: string }>(
      "DELETE",
      "/api/traces",
      lesson === null ? { deleteAll: true } : selection,
    );
    void queryClient.invalidateQueries({ predicate: ({ queryKey }) => queryKey.includes("lessons") });
    if (answer.job_id) return { count, job: answer.job_id };
    notices.show(
      `Deleted ${plural(answer.deleted.traces, "lesson trace")} with ${plural(answer.deleted.spans, "span")}.`,
    );
    return { count, job: null };
  } catch (error) {
    notices.show(`Not deleted: ${(error as Error).message}`, "error");
    return null;
  }
}
