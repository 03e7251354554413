/** JSON as a document to read: names become headings and labels, texts stay texts, lists become lists. */

import { ExactNumber } from "../api/exact.ts";
import { visible } from "../lib/format.ts";

export type Block =
  | { type: "heading"; text: string; level: number }
  | { type: "text"; text: string; level: number }
  | { type: "fields"; fields: { label: string; value: string }[]; level: number }
  | { type: "list"; items: string[]; level: number }
  | { type: "json"; value: unknown; level: number };

/** Below this level a value is shown as JSON: nobody reads headings of the seventh order. */
const DEEPEST = 4;
const ITEMS_MOST = 200;
const FIELD_LONGEST = 80;
/** Texts that stand directly below the title of their object. */
const BODIES = ["content", "text", "body", "markdown"];
const MARKDOWN = /\*\*|__|`|\]\(|^\s*(#{1,6}|[-*]|\d+\.)\s/m;
const TITLES = ["title", "heading", "name", "topic", "question"];

type Fields = Record<string, unknown>;

const isScalar = (value: unknown): boolean =>
  value === null || typeof value !== "object" || value instanceof ExactNumber;

const isFields = (value: unknown): value is Fields => !isScalar(value) && !Array.isArray(value);

/** A text that needs no paragraph of its own. */
const isShort = (value: unknown): boolean =>
  value !== undefined &&
  isScalar(value) &&
  (typeof value !== "string" ||
    (value.length <= FIELD_LONGEST && !value.includes("\n") && !MARKDOWN.test(value))) &&
  value !== "";

const isEmpty = (value: unknown): boolean =>
  value === "" ||
  (Array.isArray(value) && value.length === 0) ||
  (isFields(value) && !Object.keys(value).length);

/** `learning_goals` and `learningGoals` as words. Other names stay as they are. */
export function labelOf(name: string): string {
  if (!/^[A-Za-z][A-Za-z0-9_-]*$/.test(name)) return name;
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replace(/[_-]+/g, " ")
    .trim();
  if (!words) return name;
  const isAcronym = words === words.toUpperCase() && words.length <= 5;
  return isAcronym ? words : words.charAt(0).toUpperCase() + words.slice(1).toLowerCase();
}

export function documentOf(value: unknown): Block[] {
  const blocks: Block[] = [];
  add(blocks, value, 0);
  return withoutRepeatedTitles(blocks).map(shown);
}

/** A block with its control characters made visible. JSON shows its own. */
function shown(block: Block): Block {
  switch (block.type) {
    case "heading":
    case "text":
      return { ...block, text: visible(block.text) };
    case "fields":
      return {
        ...block,
        fields: block.fields.map(({ label, value }) => ({ label: visible(label), value: visible(value) })),
      };
    case "list":
      return { ...block, items: block.items.map(visible) };
    default:
      return block;
  }
}

function add(blocks: Block[], value: unknown, level: number): void {
  if (typeof value === "string") {
    if (value) blocks.push({ type: "text", text: value, level });
  } else if (isScalar(value)) {
    if (value !== null && value !== undefined) blocks.push({ type: "text", text: String(value), level });
  } else if (level > DEEPEST) {
    blocks.push({ type: "json", value, level });
  } else if (Array.isArray(value)) {
    addList(blocks, value, level);
  } else {
    addFields(blocks, value as Fields, level);
  }
}

/** `titled`: its title has been shown. */
function addFields(blocks: Block[], fields: Fields, level: number, titled = false): void {
  const title = TITLES.find((name) => isShort(fields[name]) && typeof fields[name] === "string");
  if (title === "title" || title === "heading") {
    blocks.push({ type: "heading", text: fields[title] as string, level });
    titled = true;
  }
  let pairs: { label: string; value: string }[] = [];
  const flush = (): void => {
    if (pairs.length) blocks.push({ type: "fields", fields: pairs, level });
    pairs = [];
  };
  for (const [name, value] of Object.entries(fields)) {
    if (name === title && (title === "title" || title === "heading")) continue;
    if (isEmpty(value)) continue;
    if (titled && typeof value === "string" && BODIES.includes(name)) {
      flush();
      blocks.push({ type: "text", text: value, level });
      titled = false;
      continue;
    }
    if (isShort(value)) {
      pairs.push({ label: labelOf(name), value: String(value ?? "–") });
      continue;
    }
    flush();
    titled = false; // below another heading, a text needs one of its own
    blocks.push({ type: "heading", text: labelOf(name), level: level + 1 });
    add(blocks, value, level + 1);
  }
  flush();
}

function addList(blocks: Block[], items: unknown[], level: number): void {
  if (items.length > ITEMS_MOST) {
    blocks.push({ type: "json", value: items, level });
  } else if (items.every(isScalar)) {
    blocks.push({ type: "list", items: items.map((item) => String(item ?? "–")), level });
  } else {
    items.forEach((item, index) => {
      const title = isFields(item) ? TITLES.find((name) => isShort(item[name])) : undefined;
      if (title === undefined || !isFields(item)) {
        blocks.push({ type: "heading", text: String(index + 1), level: level + 1 });
        add(blocks, item, level + 1);
        return;
      }
      const { [title]: text, ...rest } = item;
      blocks.push({ type: "heading", text: `${index + 1}. ${String(text)}`, level: level + 1 });
      addFields(blocks, rest, level + 1, true);
    });
  }
}

/**
 * The ranks of the headings, from `first` on: no rank is skipped, also after the headings inside a text, so that a screen
 * reader's list of headings has no gaps.
 */
export function ranksOf(blocks: readonly Block[], first: number): number[] {
  let before = first - 1;
  return blocks.map((block) => {
    if (block.type === "heading") before = Math.min(6, block.level + first, before + 1);
    else if (block.type === "text") {
      const inside = [...block.text.matchAll(/^(#{1,6})\s/gm)].at(-1);
      if (inside) before = (inside[1] as string).length;
    }
    return before;
  });
}

/** A text that begins with its own title needs no second one above it. */
function withoutRepeatedTitles(blocks: readonly Block[]): Block[] {
  return blocks.map((block, index) => {
    if (block.type !== "text") return block;
    const match = /^\s*#{1,6}\s+(.+?)[ \t]*(?:\n+|$)/.exec(block.text);
    const title = match?.[1];
    const known = blocks.slice(0, index).some((other) => other.type === "heading" && other.text === title);
    return title && known
      ? { ...block, text: block.text.slice((match as RegExpExecArray)[0].length) }
      : block;
  });
}
