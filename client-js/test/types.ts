// Compiled only: the types that an application sees.
import * as client from "tracestore-client";

client.configure({ endpoint: "https://traces.example.com", apiKey: "tsk_x", lessons: { generate: { lessonId: 0 } } });

const made: Promise<{ title: string }> = client.traceLesson({ lessonId: 7, request: {} }, async (lesson) => {
  const text: string = await lesson.llmCall({ provider: "openai", model: "gpt-4o-mini", seed: 1 }, async (call) => {
    call.usage({ inputTokens: 1, costUsd: null });
    return "Rivers flow.";
  });
  lesson.response = { text };
  return { title: text };
});
const length: number = client.span("count", { operation: "tool", input: "x" }, (step) => step.traceId.length);
const items: Generator<number> = client.trace("items", function* () {
  yield length;
});
const generate: (id: string) => Promise<number> = client.lesson("generate", async (id: string) => id.length, 0);
const { trace_id, span_id } = client.captureTrace({ span_name: "llm.completion", status: "success" });
const isDone: Promise<boolean> = client.flush();

// @ts-expect-error: a span needs its name
client.captureTrace({ trace_id });
// @ts-expect-error: the names of options are in camel case
client.traceLesson({ lesson_id: "x" }, () => 1);
// @ts-expect-error: tokens are numbers
client.llmCall({}, (call) => call.usage({ inputTokens: "1" }));
// @ts-expect-error: a wrapped function keeps its arguments
void generate(7);

export { generate, isDone, items, made, span_id };
