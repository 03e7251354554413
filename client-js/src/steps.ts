/**
 * Steps: open spans that an application creates and adds values to.
 *
 * Attributes are OpenTelemetry's GenAI ones where one exists, so that any backend can read them. All methods log their
 * own failures instead of throwing them. They do nothing after the end of the span.
 */

import {
  type Context,
  context as contexts,
  createContextKey,
  INVALID_SPAN_CONTEXT,
  type Link,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace as otel,
} from "@opentelemetry/api";

import { created, guarded, typeOf } from "./failures.js";
import { runInside } from "./functions.js";
import { messages } from "./messages.js";
import { tracer, valueLimit } from "./state.js";
import { asJson, asText, cut, messageOf } from "./values.js";

/** OpenTelemetry's names for our operations. Other operations keep their names. */
const OPERATIONS: Record<string, string> = {
  agent: "invoke_agent",
  tool: "execute_tool",
  tool_call: "execute_tool",
  completion: "chat",
  embedding: "embeddings",
};

const USAGE = {
  inputTokens: "gen_ai.usage.input_tokens",
  outputTokens: "gen_ai.usage.output_tokens",
  totalTokens: "gen_ai.usage.total_tokens",
  cachedInputTokens: "gen_ai.usage.cache_read.input_tokens",
  cacheWriteTokens: "gen_ai.usage.cache_creation.input_tokens",
  reasoningTokens: "gen_ai.usage.reasoning.output_tokens",
} as const;

/** Attributes of a model's request parameters. */
const PARAMETERS: Record<string, string> = {
  temperature: "gen_ai.request.temperature",
  maxTokens: "gen_ai.request.max_tokens",
  topP: "gen_ai.request.top_p",
  topK: "gen_ai.request.top_k",
  frequencyPenalty: "gen_ai.request.frequency_penalty",
  presencePenalty: "gen_ai.request.presence_penalty",
  seed: "gen_ai.request.seed",
  stopSequences: "gen_ai.request.stop_sequences",
  choiceCount: "gen_ai.request.choice_count",
};

/** Attributes of the ids that a step accepts as options. */
const ATTRIBUTES: Record<string, string> = {
  conversationId: "session.id",
  userId: "user.id",
  messageId: "message.id",
};

/** The attribute that repeats the span's name, for operations in which it is also the name of an agent or a tool. */
const NAME_ATTRIBUTES: Record<string, string> = {
  agent: "gen_ai.agent.name",
  tool: "gen_ai.tool.name",
  tool_call: "gen_ai.tool.name",
};

const REMOTE = new Set(["completion", "embedding", "rerank"]);
const LESSON = createContextKey("tracestore-lesson");
const MAX_STACK_CHARACTERS = 16_384;

type Fields = Record<string, unknown>;

/** The tokens and the cost of a step. */
export type Usage = Partial<Record<keyof typeof USAGE | "costUsd", number | null>>;

/** The options of `span`. */
export interface SpanOptions {
  /** `agent`, `tool`, `retrieval`, `embedding`, `rerank`, `guardrail`, `evaluation`, `chain` or any other text. */
  operation?: string;
  input?: unknown;
  /** Any other attributes. The store keeps those that it does not know in `metadata`. */
  attributes?: Record<string, unknown>;
}

/** The options of `trace`. */
export interface TraceOptions extends SpanOptions {
  conversationId?: string;
  messageId?: string;
  userId?: string;
}

/** The options of `llmCall`. Further ones are recorded as attributes. */
export interface LlmCallOptions {
  provider?: string;
  model?: string;
  /** The input, as one text. */
  prompt?: string;
  /** The input, in the form that the provider accepts. */
  messages?: unknown;
  temperature?: number;
  maxTokens?: number;
  topP?: number;
  topK?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  seed?: number;
  stopSequences?: string[];
  choiceCount?: number;
  [parameter: string]: unknown;
}

/** The options of `traceLesson`. */
export interface LessonOptions {
  lessonId?: string | number | bigint | null;
  request?: unknown;
  /** The name of the root span. Default: `lesson`. */
  name?: string;
  conversationId?: string;
  userId?: string;
}

/** A span that the application creates. It records any value: one that is not JSON is described, a long one is cut. */
export class Step {
  protected otelSpan: Span = otel.wrapSpanContext(INVALID_SPAN_CONTEXT);
  protected context: Context | null = null;
  protected inputName = "input.value";
  protected outputName = "output.value";
  private hasFailed = false;
  private hasOutput = false;

  constructor(
    private readonly name: string,
    private readonly operation: string,
    private readonly fields: Fields,
    private readonly parent: Step | null = null,
    private readonly isRoot = false,
  ) {
    if (OPERATIONS[operation] === "execute_tool") {
      this.inputName = "gen_ai.tool.call.arguments";
      this.outputName = "gen_ai.tool.call.result";
    }
  }

  /** The trace's id as the store shows it; zeros when tracing is off. */
  get traceId(): string {
    return this.otelSpan.spanContext().traceId;
  }

  /** The span's id as the store shows it; zeros when tracing is off. */
  get spanId(): string {
    return this.otelSpan.spanContext().spanId;
  }

  /** Whether values are recorded: tracing is on, and the span is sampled and has not ended. */
  get isRecording(): boolean {
    return this.otelSpan.isRecording();
  }

  /** The step's input. The last value is recorded. */
  set input(value: unknown) {
    this.recordInput(value);
  }

  /** The step's output. The last value is recorded; without one, the result of the traced function. */
  set output(value: unknown) {
    this.recordOutput(value);
  }

  /** Record the tokens and the cost of the step. The store computes a missing cost from the tokens, if it can. */
  usage(usage: Usage): void {
    guarded("usage", undefined, () => {
      for (const [name, attribute] of Object.entries(USAGE)) {
        const count = usage[name as keyof typeof USAGE];
        if (typeof count === "number" && Number.isFinite(count))
          this.otelSpan.setAttribute(attribute, Math.trunc(count));
      }
      if (typeof usage.costUsd === "number") this.otelSpan.setAttribute("gen_ai.usage.cost", usage.costUsd);
    });
  }

  /** Record any other value as an attribute. The store keeps it in `metadata`. */
  set(name: string, value: unknown): void {
    this.record(name, value);
  }

  /** Mark the step as failed although no exception leaves it: its span ends as an error. */
  fail(reason: unknown, errorType?: string): void {
    guarded("fail", undefined, () => {
      if (!this.otelSpan.isRecording()) return;
      this.hasFailed = true;
      const message = messageOf(reason);
      const type = errorType ?? (typeof reason === "string" ? undefined : typeOf(reason));
      if (reason instanceof Error) {
        this.otelSpan.addEvent("exception", {
          "exception.type": type,
          "exception.message": message,
          "exception.stacktrace": asText(cut(String(reason.stack ?? ""), MAX_STACK_CHARACTERS)),
        });
      }
      if (type) this.otelSpan.setAttribute("error.type", type);
      this.otelSpan.setStatus({ code: SpanStatusCode.ERROR, message });
    });
  }

  /** Trace a step inside this one. It also works where the context of this step is not current. */
  span<R>(name: string, run: (step: Step) => R): R;
  span<R>(name: string, options: SpanOptions, run: (step: Step) => R): R;
  span<R>(name: string, ...rest: [(step: Step) => R] | [SpanOptions, (step: Step) => R]): R {
    const [options, run] = optionsAndRun(rest);
    const make = (given: SpanOptions): Step => new Step(name, given.operation ?? "chain", fieldsOf(given), this);
    return runInside(created("span", options, make), run);
  }

  /** Trace a model call inside this step. It also works where the context of this step is not current. */
  llmCall<R>(options: LlmCallOptions, run: (call: LlmCall) => R): R {
    return runInside(
      created("llmCall", options, (given) => new LlmCall(given, this)),
      run,
    );
  }

  /** Start the span in the current context. */
  begin(): void {
    guarded("begin", undefined, () => {
      let context = contexts.active();
      let links: Link[] = [];
      const current = otel.getSpanContext(context);
      if (this.startsTrace(context)) {
        // A new trace with a link to the surrounding one. Otherwise a web framework's span would be the root.
        if (current && otel.isSpanContextValid(current)) links = [{ context: current }];
        context = otel.deleteSpan(context);
      } else if (this.parent && this.parent.traceId !== current?.traceId) {
        context = otel.setSpan(context, this.parent.otelSpan);
      }
      const kind = REMOTE.has(this.operation) ? SpanKind.CLIENT : SpanKind.INTERNAL;
      const attributes = { "gen_ai.operation.name": OPERATIONS[this.operation] ?? this.operation };
      this.otelSpan = tracer().startSpan(cut(String(this.name), 512), { kind, attributes, links }, context);
      this.context = this.ownContext(context);
      if (this.otelSpan.isRecording()) this.recordFields();
    });
  }

  /** Run code with this step as the current one. */
  within<R>(run: () => R): R {
    return this.context ? contexts.with(this.context, run) : run();
  }

  /** Record the result of the traced function as the output, unless an output was set. */
  recordResult(value: unknown): void {
    if (!this.hasOutput && value !== undefined && value !== null) this.recordOutput(value);
  }

  /** End the span. Has no effect when repeated. */
  end(): void {
    guarded("end", undefined, () => {
      if (!this.otelSpan.isRecording()) return;
      if (!this.hasFailed) this.otelSpan.setStatus({ code: SpanStatusCode.OK });
      this.otelSpan.end();
    });
  }

  protected startsTrace(_context: Context): boolean {
    return this.isRoot;
  }

  protected ownContext(context: Context): Context {
    return otel.setSpan(context, this.otelSpan);
  }

  /** Record the values that were given before the span started. */
  protected recordFields(): void {
    for (const [name, value] of Object.entries(this.fields)) {
      if (name === "input") this.recordInput(value);
      else this.record(ATTRIBUTES[name] ?? name, value);
    }
    const nameAttribute = NAME_ATTRIBUTES[this.operation];
    if (nameAttribute) this.otelSpan.setAttribute(nameAttribute, this.name);
  }

  protected recordInput(value: unknown): void {
    this.record(this.inputName, value);
  }

  protected recordOutput(value: unknown): void {
    this.record(this.outputName, value);
    this.setOutputRecorded(value);
  }

  protected setOutputRecorded(value: unknown): void {
    if (value !== undefined && value !== null) this.hasOutput = true;
  }

  protected record(name: string, value: unknown): void {
    guarded("record", undefined, () => {
      if (value === undefined || value === null || !this.otelSpan.isRecording()) return;
      // Numbers are not converted to text: otherwise a result of 2 would be returned as "2".
      const isPlain = typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value));
      this.otelSpan.setAttribute(name, isPlain ? value : asText(value, valueLimit()));
    });
  }
}

/** One call of a model. Call `respond` with the model's output, and `usage` with its tokens. */
export class LlmCall extends Step {
  private readonly sentInput: unknown;

  constructor(options: LlmCallOptions, parent: Step | null = null) {
    const { provider, model, prompt, messages: sent, ...parameters } = options ?? {};
    const fields: Fields = {};
    for (const [name, value] of Object.entries(parameters)) fields[PARAMETERS[name] ?? name] = value;
    fields["gen_ai.provider.name"] = provider;
    fields["gen_ai.request.model"] = model;
    super(model ? `chat ${String(model)}` : "chat", "completion", fields, parent);
    this.sentInput = sent ?? prompt;
  }

  /** The model's output: a text, a message or several messages. */
  set response(value: unknown) {
    this.respond(value);
  }

  /** Record the model's output. `model` is the model that answered, if it is not the requested one. */
  respond(content: unknown, options: { model?: string; responseId?: string; finishReason?: string } = {}): void {
    this.recordMessages("gen_ai.output.messages", content, "assistant");
    this.setOutputRecorded(content);
    this.set("gen_ai.response.model", options.model);
    this.set("gen_ai.response.id", options.responseId);
    if (options.finishReason) this.set("gen_ai.response.finish_reasons", [options.finishReason]);
  }

  protected override recordInput(value: unknown): void {
    this.recordMessages("gen_ai.input.messages", value, "user");
  }

  protected override recordOutput(value: unknown): void {
    this.respond(value);
  }

  protected override recordFields(): void {
    super.recordFields();
    this.recordInput(this.sentInput);
  }

  private recordMessages(name: string, value: unknown, role: string): void {
    guarded("recordMessages", undefined, () => {
      if (value === undefined || value === null || !this.otelSpan.isRecording()) return;
      this.otelSpan.setAttribute(name, asJson(messages(value, role), valueLimit()));
    });
  }
}

/** A lesson: the root of its trace. Set `response` to the generated content. */
export class Lesson extends Step {
  readonly lessonId: string | null;

  constructor(options: LessonOptions) {
    const { lessonId, request, name, ...fields } = options ?? {};
    const isId = ["string", "number", "bigint"].includes(typeof lessonId);
    const id = isId ? String(lessonId) : null;
    super(name ?? "lesson", "lesson", { input: request, ...fields, "lesson.id": id }, null, true);
    this.lessonId = id;
    this.inputName = "request_data";
    this.outputName = "response_data";
  }

  /** The lesson's request. The last value is recorded. */
  set request(value: unknown) {
    this.recordInput(value);
  }

  /** The lesson's response. The last value is recorded; without one, the result of the traced function. */
  set response(value: unknown) {
    this.recordOutput(value);
  }

  protected override startsTrace(context: Context): boolean {
    // A function that a rule wraps may also trace itself: that is one lesson, not two.
    return this.lessonId === null || context.getValue(LESSON) !== this.lessonId;
  }

  protected override ownContext(context: Context): Context {
    return super.ownContext(context).setValue(LESSON, this.lessonId);
  }
}

/** The fields of a step, from its options. */
export function fieldsOf(options: TraceOptions): Fields {
  const { operation: _, attributes, ...fields } = options ?? {};
  return { ...fields, ...attributes };
}

/** The options, which may be left out, and the function to run. */
export function optionsAndRun<O, R>(rest: [R] | [O, R]): [O, R] {
  return rest.length === 1 ? [{} as O, rest[0]] : [rest[0] ?? ({} as O), rest[1]];
}
