/** The definitions of tools that a model call was given, in the forms in which they are stored. */

import { isFields, parsedText } from "./messages.ts";

export interface ToolDefinition {
  name: string;
  definition: unknown;
}

/** What a call was given in comparison with the call before it, by the names of tools. */
export interface ToolChanges {
  added: string[];
  removed: string[];
  changed: string[];
}

/**
 * Where definitions are, as the steps to them: in the input of native clients, and in the attributes of the semantic
 * conventions of OpenTelemetry, OpenInference, OpenLLMetry and the Vercel AI SDK.
 */
const INPUT_PATHS = [["tools"], ["functions"]];
const METADATA_PATHS = [
  ["tools"],
  ["attributes", "gen_ai", "tool", "definitions"],
  ["attributes", "llm", "tools"],
  ["attributes", "llm", "request", "functions"],
  ["attributes", "ai", "prompt", "tools"],
  ["attributes", "tools"],
];

/** The tools of a call, in their order. *absent*: an empty list. */
export function toolsOf(inputRest: unknown, metadata: unknown): ToolDefinition[] {
  for (const [source, paths] of [
    [inputRest, INPUT_PATHS],
    [metadata, METADATA_PATHS],
  ] as const) {
    for (const path of paths) {
      const found = listOf(at(source, path)).flatMap(toolOf);
      if (found.length) return found;
    }
  }
  return [];
}

/** A value below others; also where some of the steps are one name with dots, such as `gen_ai.tool.definitions`. */
function at(value: unknown, path: readonly string[]): unknown {
  if (!path.length) return value;
  if (!isFields(value)) return undefined;
  for (let length = path.length; length > 0; length--) {
    const name = path.slice(0, length).join(".");
    if (Object.hasOwn(value, name)) return at(value[name], path.slice(length));
  }
  return undefined;
}

/** A list, also as a JSON text, or as an object whose names are indexes or names of tools. */
function listOf(value: unknown): unknown[] {
  const inner = parsedText(value);
  if (Array.isArray(inner)) return inner;
  return isFields(inner) ? Object.values(inner) : [];
}

function toolOf(value: unknown): ToolDefinition[] {
  const inner = parsedText(value);
  if (!isFields(inner)) return [];
  const wrapped = parsedText(inner.json_schema ?? inner.function ?? inner.tool);
  if (isFields(wrapped)) return toolOf(wrapped);
  return typeof inner.name === "string" ? [{ name: inner.name, definition: inner }] : [];
}

/** How definitions differ from those before. *absent*: null if they are the same. */
export function toolChanges(
  before: readonly ToolDefinition[],
  after: readonly ToolDefinition[],
): ToolChanges | null {
  const texts = (tools: readonly ToolDefinition[]) =>
    new Map(tools.map(({ name, definition }) => [name, JSON.stringify(definition)]));
  const [old, present] = [texts(before), texts(after)];
  const changes: ToolChanges = {
    added: [...present.keys()].filter((name) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !present.has(name)),
    changed: [...present].flatMap(([name, text]) => (old.has(name) && old.get(name) !== text ? [name] : [])),
  };
  return changes.added.length + changes.removed.length + changes.changed.length ? changes : null;
}
