#!/usr/bin/env bash
# OpenInference for LangChain.js (4.1.1): flattened messages lack tool calls, and texts that are in lists of parts.
#
# Valid input: a chat model of LangChain (1.4.0) that is asked with three messages: a text in a list of parts, a tool call
# in `tool_calls`, where LangChain 1 and its providers have it, and the result of the tool with the id of its call. The
# span has llm.input_messages.*, the convention's attributes for messages. Of the first one they contain the role alone,
# of the second no call, and of the third no id. Nothing marks what is left out. Only input.value, the serialized
# messages of LangChain's own classes, has all of it: a receiver has to know them, or shows a conversation with gaps.
#
# Output on 2026-11-28:
#   input.value: the question, a call with the id call_1, a result with the id call_1
#   llm.input_messages.0: role user
#   llm.input_messages.1: role assistant, content ""
#   llm.input_messages.2: role tool, content "sunny"
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
echo '{ "name": "messages", "private": true, "type": "module" }' > package.json
npm install --silent --no-audit --no-fund @arizeai/openinference-instrumentation-langchain@4.1.1 \
  @langchain/core@1.4.0 @opentelemetry/api@1.9.0 @opentelemetry/sdk-trace-node@2.12.0

cat > messages.js <<'JS'
import assert from "node:assert/strict";
import { LangChainInstrumentation } from "@arizeai/openinference-instrumentation-langchain";
import * as callbacks from "@langchain/core/callbacks/manager";
import { AIMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { FakeListChatModel } from "@langchain/core/utils/testing";
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node";

const exporter = new InMemorySpanExporter();
const tracerProvider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
tracerProvider.register();
new LangChainInstrumentation({ tracerProvider }).manuallyInstrument(callbacks);

await new FakeListChatModel({ responses: ["It is sunny."] }).invoke([
  new HumanMessage({ content: [{ type: "text", text: "What is the weather in Oslo?" }] }),
  new AIMessage({ content: "", tool_calls: [{ id: "call_1", name: "weather", args: { town: "Oslo" } }] }),
  new ToolMessage({ content: "sunny", tool_call_id: "call_1" }),
]);

const [{ attributes }] = exporter.getFinishedSpans();
const [question, call, result] = JSON.parse(attributes["input.value"]).messages[0].map(({ kwargs }) => kwargs);
assert.equal(question.content[0].text, "What is the weather in Oslo?");
console.log(`input.value: the question, a call with the id ${call.tool_calls[0].id}, a result with the id ${result.tool_call_id}`);
const flattened = [0, 1, 2].map((index) => {
  const start = `llm.input_messages.${index}.message.`;
  const names = Object.keys(attributes).filter((name) => name.startsWith(start));
  return Object.fromEntries(names.map((name) => [name.slice(start.length), attributes[name]]));
});
for (const [index, { role, content, ...others }] of flattened.entries()) {
  const text = content === undefined ? "" : `, content ${JSON.stringify(content)}`;
  console.log(`llm.input_messages.${index}: role ${role}${text}`);
  assert.deepEqual(others, {}, "more of the message is flattened now");
}
assert.deepEqual(
  flattened.map(({ content }) => content),
  [undefined, "", "sunny"],
);
JS
node messages.js
