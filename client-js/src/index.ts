/**
 * OpenTelemetry client that sends the traces of an LLM application to a tracestore and never disturbs the application.
 *
 * Call `configure` once, and every instrumented call is sent. `traceLesson` traces lessons, and so do `lesson` and
 * `wrapLesson` for functions by name. `trace`, `span` and `llmCall` trace code that has no instrumentation, and
 * `captureTrace` sends one span as a flat object.
 */

export { llmCall, span, trace, traceLesson } from "./api.js";
export { captureTrace, type CapturedIds, type CapturedTrace } from "./captures.js";
export { configure, spanProcessor } from "./configure.js";
export type { Stats } from "./delivery.js";
export { flushAfter } from "./flush-after.js";
export { lesson, wrapLesson } from "./lessons.js";
export type { LessonRule, LessonRules, Limits, Options } from "./settings.js";
export type { Logger } from "./shared.js";
export { dropped, flush, shutdown, stats } from "./state.js";
export type {
  Lesson,
  LessonOptions,
  LlmCall,
  LlmCallOptions,
  SpanOptions,
  Step,
  TraceOptions,
  Usage,
} from "./steps.js";
