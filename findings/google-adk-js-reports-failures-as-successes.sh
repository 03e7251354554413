#!/usr/bin/env bash
# Google's Agent Development Kit for JavaScript (@google/adk 2.0.0): what fails is traced as a success without content.
#
# Valid input: an agent whose model answers 429, and one whose tool throws. ADK turns both failures into events and lets
# their spans end like any other: the status is unset, no exception is recorded, and none of the attributes of a call are
# set, neither the model, nor the name and the arguments of the tool. No receiver of these traces can find the failures,
# nor count them. Spans of calls that succeed have all of it.
#
# Output on 2026-11-28:
#   call_llm after 429: status UNSET, 0 attributes, 0 events
#   execute_tool weather that threw: status UNSET, 0 attributes, 0 events
#   execute_tool weather: status UNSET, 10 attributes, 0 events
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > package.json <<'JSON'
{ "name": "failures", "private": true, "type": "module" }
JSON
npm install --silent --no-audit --no-fund @google/adk@2.0.0 @opentelemetry/sdk-trace-node@2.12.1

cat > failures.js <<'JS'
import assert from "node:assert/strict";
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node";

const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
const { BaseLlm, FunctionTool, InMemoryRunner, LlmAgent } = await import("@google/adk");

class Scripted extends BaseLlm {
  async *generateContentAsync({ contents }) {
    const [{ text }] = contents[0].parts;
    if (text === "overload") throw Object.assign(new Error("Resource exhausted"), { status: 429 });
    const isAnswered = contents.at(-1).parts.some((part) => part.functionResponse);
    const call = { functionCall: { id: "call-1", name: "weather", args: { city: text } } };
    yield { content: { role: "model", parts: [isAnswered ? { text: "It is dry." } : call] } };
  }
  async connect() {
    throw new Error("not live");
  }
}

const parameters = { type: "OBJECT", properties: { city: { type: "STRING" } } };
const execute = async ({ city }) => {
  if (city === "Nowhere") throw new Error("no such city");
  return { celsius: 18 };
};
const weather = new FunctionTool({ name: "weather", description: "The weather.", parameters, execute });
const agent = new LlmAgent({ name: "bot", model: new Scripted({ model: "scripted" }), tools: [weather] });

async function spans(text, name) {
  exporter.reset();
  const runner = new InMemoryRunner({ agent, appName: "app" });
  const { id: sessionId } = await runner.sessionService.createSession({ appName: "app", userId: "ada" });
  for await (const _ of runner.runAsync({ userId: "ada", sessionId, newMessage: { role: "user", parts: [{ text }] } }));
  return exporter.getFinishedSpans().find((span) => span.name === name);
}

const shown = ({ status, attributes, events }) =>
  `status ${["UNSET", "OK", "ERROR"][status.code]}, ${Object.keys(attributes).length} attributes, ${events.length} events`;
const call = await spans("overload", "call_llm");
console.log(`call_llm after 429: ${shown(call)}`);
const failed = await spans("Nowhere", "execute_tool weather");
console.log(`execute_tool weather that threw: ${shown(failed)}`);
const succeeded = await spans("Lisbon", "execute_tool weather");
console.log(`execute_tool weather: ${shown(succeeded)}`);
for (const span of [call, failed]) {
  assert.equal(shown(span), "status UNSET, 0 attributes, 0 events");
}
assert.equal(succeeded.attributes["gen_ai.tool.name"], "weather");
JS
node failures.js 2>&1 | grep -v ADK
