#!/usr/bin/env bash
# svelte-query (6.3.6): a query's answer never reaches a reader who reads its data after that of a slower query.
#
# Valid input: an effect that reads `slow.error ?? quick.error`, and then `slow.data && quick.data`, as a template does
# with `{#if error}…{:else if slow.data && quick.data}`. While `slow` has no data, only the error of `quick` is read, so
# its observer does not tell that data has come, and the result object keeps the former result. When `slow` has answered
# too, `quick.data` is read from that object: it stays undefined, while the cache of the client has the answer. In the
# other order of answers, all is well. With `notifyOnChangeProps: "all"`, both orders are.
#
# Output on 2026-11-28:
#   slow answers first: both are shown
#   quick answers first: nothing is shown, quick.data is undefined, in the cache it is "quick"
#   quick answers first, notifyOnChangeProps "all": both are shown
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > package.json <<'JSON'
{ "name": "queries", "private": true, "type": "module" }
JSON
npm install --silent --no-audit --no-fund svelte@5.57.3 @tanstack/svelte-query@6.3.6

cat > source.svelte.js <<'JS'
import { createQuery, QueryClient } from "@tanstack/svelte-query";
import { flushSync } from "svelte";

/** What is shown once both queries have answered after these milliseconds. */
export async function shown(waits, options = {}) {
  const client = new QueryClient();
  const answering = (name) => ({
    queryKey: [name],
    queryFn: () => new Promise((resolve) => setTimeout(() => resolve(name), waits[name])),
    ...options,
  });
  let text = "nothing is shown";
  let quick;
  const stop = $effect.root(() => {
    const slow = createQuery(() => answering("slow"), () => client);
    quick = createQuery(() => answering("quick"), () => client);
    $effect(() => {
      if (slow.error ?? quick.error) text = "a failure is shown";
      else text = slow.data && quick.data ? "both are shown" : "nothing is shown";
    });
  });
  flushSync();
  await new Promise((resolve) => setTimeout(resolve, 400));
  flushSync();
  const state = `quick.data is ${quick.data}, in the cache it is "${client.getQueryData(["quick"])}"`;
  stop();
  return text === "both are shown" ? text : `${text}, ${state}`;
}
JS
cat > compiling.js <<'JS'
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compile, compileModule } from "svelte/compiler";

export async function load(url, context, next) {
  const kind = /\.svelte(\.js)?$/.exec(url);
  if (!kind) return next(url, context);
  const text = readFileSync(fileURLToPath(url), "utf8");
  const source = (kind[1] ? compileModule : compile)(text, { generate: "client", filename: url }).js.code;
  return { format: "module", source, shortCircuit: true };
}
JS
cat > run.js <<'JS'
import assert from "node:assert/strict";
import { register } from "node:module";

register("./compiling.js", import.meta.url);
const { shown } = await import("./source.svelte.js");

const quickFirst = { slow: 200, quick: 50 };
const ordered = await shown({ slow: 50, quick: 200 });
const kept = await shown(quickFirst);
const told = await shown(quickFirst, { notifyOnChangeProps: "all" });
console.log(`slow answers first: ${ordered}`);
console.log(`quick answers first: ${kept}`);
console.log(`quick answers first, notifyOnChangeProps "all": ${told}`);
assert.equal(ordered, "both are shown");
assert.equal(told, "both are shown");
assert.match(kept, /^nothing is shown, quick.data is undefined, in the cache it is "quick"$/);
JS
node --conditions browser run.js
