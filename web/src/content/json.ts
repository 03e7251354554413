/** JSON as lines that can be collapsed: only what is open is turned into lines. */

import { ExactNumber, parseStored } from "../api/exact.ts";
import { visible } from "../lib/format.ts";

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
  /** Of a text over several lines: the line before has its beginning. */
  continues?: boolean;
  /** The number of characters of the text that no line has. */
  omitted?: number;
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
        name: typeof step === "number" ? null : visible(step),
        path: stepped(path, step),
        depth: depth + 1,
        comma: index < entries.length - 1,
      });
    }
  }
  return lines;
}

/** So many lines of one text are shown. */
const TEXT_LINES = 400;
const LEAST_COLUMNS = 20;
/** The indentation of a level, in columns. */
const LEVEL_COLUMNS = 2.3;
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\u{1f300}-\u{1faff}]/u;

/** The same lines, of which long texts continue on lines of their own, as `columns` have room. */
export function wrappedLines(lines: readonly JsonLine[], columns: number): JsonLine[] {
  return lines.flatMap((line) => {
    if (line.kind !== "string" || line.text.startsWith('"data:')) return [line];
    const room = Math.max(LEAST_COLUMNS, Math.floor(columns - Math.min(line.depth, 40) * LEVEL_COLUMNS));
    const first = Math.max(LEAST_COLUMNS, room - (line.name === null ? 0 : line.name.length + 2));
    const pieces = piecesOf(line.text, first, room);
    const shown = pieces.slice(0, TEXT_LINES);
    const omitted = pieces.slice(TEXT_LINES).reduce((sum, piece) => sum + piece.length, 0);
    return shown.map((text, index) => ({
      ...line,
      text,
      name: index ? null : line.name,
      comma: line.comma && index === shown.length - 1,
      continues: index > 0,
      omitted: index === shown.length - 1 ? omitted : 0,
    }));
  });
}

/** A text in pieces of at most so many columns: the first has another room than the rest. Wide characters take two. */
function piecesOf(text: string, first: number, rest: number): string[] {
  if (text.length <= first && !WIDE.test(text)) return [text];
  const pieces: string[] = [];
  let piece = "";
  let taken = 0;
  for (const character of text) {
    const width = WIDE.test(character) ? 2 : 1;
    if (taken + width > (pieces.length ? rest : first)) {
      pieces.push(piece);
      piece = "";
      taken = 0;
    }
    piece += character;
    taken += width;
  }
  return [...pieces, piece];
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
  if (typeof value === "string") return { kind: "string", text: visible(JSON.stringify(value)) };
  if (typeof value === "boolean") return { kind: "boolean", text: String(value) };
  return { kind: "number", text: String(value) };
}
