#!/usr/bin/env bash
# LangChain for JavaScript (@langchain/anthropic 1.5.11): a streamed answer of Claude has too many output tokens.
#
# Valid input: a streamed message of Anthropic's API. Its first event has the output tokens so far, and its last one all
# of them: Anthropic documents the counts of `message_delta` as cumulative. LangChain writes both into chunks, and adds
# up the chunks. The answer, and so each tracer that reads `usage_metadata`, has more output tokens than were billed. The
# same message without a stream has the right count.
#
# Output on 2026-11-28:
#   provider: 47 output tokens, 4 of them in its first event
#   without a stream: 47 output tokens
#   streamed: 51 output tokens
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > package.json <<'JSON'
{ "name": "streams", "private": true, "type": "module" }
JSON
npm install --silent --no-audit --no-fund @langchain/anthropic@1.5.11 @langchain/core@1.4.0

cat > stream.js <<'JS'
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { ChatAnthropic } from "@langchain/anthropic";

const message = { id: "msg_1", type: "message", role: "assistant", model: "claude-sonnet-4-5", stop_sequence: null };
const answer = { ...message, content: [{ type: "text", text: "Hello." }], stop_reason: "end_turn" };
const usage = (output_tokens) => ({ input_tokens: 150, output_tokens });
const events = [
  { type: "message_start", message: { ...message, content: [], stop_reason: null, usage: usage(4) } },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hello." } },
  { type: "content_block_stop", index: 0 },
  { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 47 } },
  { type: "message_stop" },
].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);

const server = createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    const isStream = JSON.parse(body).stream;
    response.setHeader("content-type", isStream ? "text/event-stream" : "application/json");
    response.end(isStream ? events.join("") : JSON.stringify({ ...answer, usage: usage(47) }));
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const anthropicApiUrl = `http://127.0.0.1:${server.address().port}`;
const model = new ChatAnthropic({ model: "claude-sonnet-4-5", apiKey: "key", anthropicApiUrl, maxRetries: 0 });
const whole = await model.invoke("Hello.");
let streamed;
for await (const chunk of await model.stream("Hello.")) streamed = streamed ? streamed.concat(chunk) : chunk;
server.close();
server.closeAllConnections();

console.log("provider: 47 output tokens, 4 of them in its first event");
console.log(`without a stream: ${whole.usage_metadata.output_tokens} output tokens`);
console.log(`streamed: ${streamed.usage_metadata.output_tokens} output tokens`);
assert.equal(whole.usage_metadata.output_tokens, 47);
assert.equal(streamed.usage_metadata.output_tokens, 51);
JS
node stream.js
