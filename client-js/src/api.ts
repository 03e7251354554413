/** The functions that an application calls to trace. Each runs a function and returns its result. */

import { created } from "./failures.js";
import { runInside } from "./functions.js";
import { fieldsOf, Lesson, type LessonOptions, LlmCall, type LlmCallOptions, optionsAndRun, Step } from "./steps.js";
import type { SpanOptions, TraceOptions } from "./steps.js";

/**
 * Run `run` as a lesson. Every span that starts inside is part of its trace, including instrumented model calls.
 *
 * Inside the same lesson, this is a span of that lesson's trace and not a new trace. An exception is recorded and
 * thrown again unchanged.
 */
export function traceLesson<R>(options: LessonOptions, run: (lesson: Lesson) => R): R {
  return runInside(
    created("traceLesson", options, (given) => new Lesson(given)),
    run,
  );
}

/**
 * Run `run` as the root of a new trace, even inside another one. It is linked to the surrounding span.
 *
 * `operation` is `workflow`, unless the options say `agent`, `chain` or another one.
 */
export function trace<R>(name: string, run: (step: Step) => R): R;
export function trace<R>(name: string, options: TraceOptions, run: (step: Step) => R): R;
export function trace<R>(name: string, ...rest: [(step: Step) => R] | [TraceOptions, (step: Step) => R]): R {
  const [options, run] = optionsAndRun(rest);
  const make = (given: TraceOptions): Step =>
    new Step(name, given.operation ?? "workflow", fieldsOf(given), null, true);
  return runInside(created("trace", options, make), run);
}

/** Run `run` as a step inside the current one. Use `llmCall` for calls of a model. */
export function span<R>(name: string, run: (step: Step) => R): R;
export function span<R>(name: string, options: SpanOptions, run: (step: Step) => R): R;
export function span<R>(name: string, ...rest: [(step: Step) => R] | [SpanOptions, (step: Step) => R]): R {
  const [options, run] = optionsAndRun(rest);
  const make = (given: SpanOptions): Step => new Step(name, given.operation ?? "chain", fieldsOf(given));
  return runInside(created("span", options, make), run);
}

/** Run `run` as a call of a model that has no instrumentation, inside the current step. */
export function llmCall<R>(options: LlmCallOptions, run: (call: LlmCall) => R): R {
  return runInside(
    created("llmCall", options, (given) => new LlmCall(given)),
    run,
  );
}
