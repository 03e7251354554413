/** JSON as lines that can be collapsed: only what is open is turned into lines. */

import { ExactNumber, parseStored } from "../api/exact.ts";

export interface JsonLine {
  /** The steps to the value, as one text: unique, and what collapsing remembers. */
  path: string;
  depth: number;
  /** The name or index before the value; null at the top and at a closing bracket. */
  name: string | null;
  /** A scalar, or the bracket that opens or closes a container. */
  kind: "string" | "number" | "boolean" | "null" | "open" | "close" | "collapsed";
  /** What stands on the line after the name. */
  text: string;
  /** For an opening or collapsed container: its number of entries. */
  count: number;
  value: unknown;
  comma: boolean;
  /** The text is itself JSON, which can be expanded. */
  nested: boolean;
}

/** Containers below this depth are collapsed, unless opened; and larger ones than this are collapsed from the start. */
const OPEN_DEPTH = 3;
const OPEN_ENTRIES = 50;
const NESTED = /^\s*[[{]/;
const NESTED_MAX = 1_000_000;

export const stepped = (path: string, step: string | number): string =>
  typeof step === "number"
    ? `${path}[${step}]`
    : /^[A-Za-z_$][\w$]*$/.test(step)
      ? `${path}.${step}`
      : `${path}[${JSON.stringify(step)}]`;

/** The lines of a value. `toggled` has the containers that a reader has opened or closed, by path. */
export function linesOf(value: unknown, toggled: Pick<ReadonlyMap<string, boolean>, "get">): JsonLine[] {
  const lines: JsonLine[] = [];
  type Task =
    | { value: unknown; name: string | null; path: string; depth: number; comma: boolean }
    | { close: JsonLine };
  const tasks: Task[] = [{ value, name: null, path: "$", depth: 0, comma: false }];
  for (let task = tasks.pop(); task; task = tasks.pop()) {
    if ("close" in task) {
      lines.push(task.close);
      continue;
    }
    const { path, depth, name, comma } = task;
    const container = containerOf(task.value, toggled.get(path) === true);
    const base = {
      path,
      depth,
      name,
      comma,
      value: task.value,
      nested: container?.nested ?? isNested(task.value),
    };
    if (!container) {
      lines.push({ ...base, ...scalar(task.value), count: 0 });
      continue;
    }
    const { entries, brackets } = container;
    const isOpen =
      entries.length > 0 && (toggled.get(path) ?? (depth < OPEN_DEPTH && entries.length <= OPEN_ENTRIES));
    if (!isOpen) {
      lines.push({ ...base, kind: "collapsed", text: brackets, count: entries.length });
      continue;
    }
    lines.push({ ...base, comma: false, kind: "open", text: brackets.charAt(0), count: entries.length });
    tasks.push({ close: { ...base, name: null, kind: "close", text: brackets.charAt(1), count: 0 } });
    for (let index = entries.length - 1; index >= 0; index--) {
      const [step, entry] = entries[index] as [string | number, unknown];
      tasks.push({
        value: entry,
        name: typeof step === "number" ? null : step,
        path: stepped(path, step),
        depth: depth + 1,
        comma: index < entries.length - 1,
      });
    }
  }
  return lines;
}

function containerOf(
  value: unknown,
  expanded: boolean,
): { entries: [string | number, unknown][]; brackets: string; nested: boolean } | null {
  if (Array.isArray(value))
    return { entries: value.map((item, index) => [index, item]), brackets: "[]", nested: false };
  if (value !== null && typeof value === "object" && !(value instanceof ExactNumber)) {
    return { entries: Object.entries(value), brackets: "{}", nested: false };
  }
  if (!expanded || !isNested(value)) return null;
  const inner = containerOf(parseStored(value as string), false);
  return inner && { ...inner, nested: true };
}

function isNested(value: unknown): boolean {
  if (typeof value !== "string" || value.length > NESTED_MAX || !NESTED.test(value)) return false;
  try {
    return typeof JSON.parse(value) === "object";
  } catch {
    return false;
  }
}

function scalar(value: unknown): { kind: JsonLine["kind"]; text: string } {
  if (value === null || value === undefined) return { kind: "null", text: "null" };
  if (typeof value === "string") return { kind: "string", text: JSON.stringify(value) };
  if (typeof value === "boolean") return { kind: "boolean", text: String(value) };
  return { kind: "number", text: String(value) };
}
