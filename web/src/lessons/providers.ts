/** The providers of a lesson, in the order in which they were tried. */

import type { LessonSummary } from "../api/types.ts";
import type { Call } from "./calls.ts";

export interface Step {
  name: string;
  /** *tried*: it was called before another one, and the line of a list does not report how its calls ended. */
  state: "answered" | "failed" | "tried" | "running";
}

type Heard = Pick<LessonSummary, "provider_used" | "fallback_providers" | "status" | "error_count">;

/**
 * `openai ✕ → anthropic ✓`. A provider is failed only where the number of errors leaves no other reading. In a lesson that
 * failed, the last provider may have answered some calls, so it has no mark.
 */
export function pathOf(lesson: Heard): Step[] {
  const before = lesson.fallback_providers.map(String).filter((name) => name !== lesson.provider_used);
  const errors = lesson.error_count - (lesson.status === "failed" ? 1 : 0); // the lesson's own error
  const allFailed =
    errors >= before.length && (lesson.provider_used === null ? lesson.status !== "started" : errors > 0);
  const steps: Step[] = before.map((name) => ({ name, state: allFailed ? "failed" : "tried" }));
  if (lesson.provider_used !== null) {
    const state =
      lesson.status === "completed" ? "answered" : lesson.status === "started" ? "running" : "tried";
    steps.push({ name: String(lesson.provider_used), state });
  }
  return steps;
}

/** The path with what the calls themselves report; that of the lesson, if they name no provider. */
export function pathOfCalls(calls: readonly Pick<Call, "provider" | "state">[], lesson: Heard): Step[] {
  const states = new Map<string, Call["state"][]>();
  for (const { provider, state } of calls) {
    if (provider !== null) states.set(provider, [...(states.get(provider) ?? []), state]);
  }
  if (!states.size) return pathOf(lesson);
  return [...states].map(([name, ended]) => {
    if (ended.every((state) => state === "failed")) return { name, state: "failed" };
    if (ended.at(-1) === "running") return { name, state: "running" };
    return {
      name,
      state: name === lesson.provider_used && lesson.status === "completed" ? "answered" : "tried",
    };
  });
}

const MARKS: Record<Step["state"], string> = { answered: " ✓", failed: " ✕", tried: "", running: " …" };
const WORDS: Record<Step["state"], string> = {
  answered: "answered",
  failed: "failed",
  tried: "was called",
  running: "is in use",
};

export const markOf = (step: Step): string => MARKS[step.state];

/** The path for screen readers: `openai failed, then anthropic answered`. */
export const pathInWords = (steps: readonly Step[]): string =>
  steps.map((step) => `${step.name} ${WORDS[step.state]}`).join(", then ");
