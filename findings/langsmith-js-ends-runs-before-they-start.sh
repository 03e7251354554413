#!/usr/bin/env bash
# LangSmith's SDK for JavaScript (0.12.0): a run shorter than a millisecond ends before it starts.
#
# Valid input: a traced function that calls another one, which returns at once. The SDK has times in milliseconds. To
# keep the order of runs, it writes the number of the run within its trace as the microseconds of `start_time`, a text
# with six decimals, but sends `end_time` as a whole number of milliseconds. A run that ends within the millisecond of
# its start therefore ends some microseconds before it. A receiver that refuses negative durations loses the run, and
# the microseconds are no measurement.
#
# Output on 2026-11-28 (the first number differs from run to run):
#   5 of 21 runs have an end before their start
#   microseconds of the first starts: 001, 002, 003
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > package.json <<'JSON'
{ "name": "runs", "private": true, "type": "module" }
JSON
npm install --silent --no-audit --no-fund langsmith@0.12.0

cat > run.js <<'JS'
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { gunzipSync } from "node:zlib";

const bodies = [];
const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const body = Buffer.concat(parts);
    bodies.push((request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body).toString());
    response.end("{}");
  });
});
await new Promise((resolve) => server.listen(0, resolve));
process.env.LANGSMITH_ENDPOINT = `http://127.0.0.1:${server.address().port}`;
process.env.LANGSMITH_API_KEY = "key";
process.env.LANGSMITH_TRACING = "true";

const { Client } = await import("langsmith");
const { traceable } = await import("langsmith/traceable");
const client = new Client();
const quick = traceable(async (number) => number, { name: "quick", client });
const whole = traceable(
  async () => {
    for (let number = 0; number < 20; number++) await quick(number);
  },
  { name: "whole", client },
);
await whole();
await client.awaitPendingTraceBatches();
server.close();

const runs = bodies
  .flatMap((body) => body.split("\r\n"))
  .filter((line) => line.startsWith("{") && line.includes('"start_time"') && line.includes('"end_time"'))
  .map((line) => JSON.parse(line));
const micros = (text) => Date.parse(text) * 1000 + Number(text.slice(-4, -1));
const reversed = runs.filter((run) => run.end_time * 1000 < micros(run.start_time));
const numbers = runs.map((run) => run.start_time.slice(-4, -1)).sort();
console.log(`${reversed.length} of ${runs.length} runs have an end before their start`);
console.log(`microseconds of the first starts: ${numbers.slice(0, 3).join(", ")}`);
assert.ok(runs.every((run) => Number.isInteger(run.end_time)), "ends are no whole milliseconds now");
assert.ok(reversed.length > 0, "no run ends before its start now");
assert.deepEqual(numbers.slice(0, 3), ["001", "002", "003"]);
JS
node run.js
