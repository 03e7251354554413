/** What a lesson is about, from the beginning of its request. */

import { visible } from "../lib/format.ts";

const NAMES = ["topic", "title", "subject", "prompt", "question", "query", "text", "input", "lesson"];

/** Longest text that is shown as a topic. */
const LONGEST = 300;

/**
 * The first line of a request: a preview may be JSON, cut at its end, of which the topic, the title or the prompt is
 * shown. *absent*: null without a request.
 */
export function topicOf(preview: string | null | undefined): string | null {
  const text = preview?.trim() ?? "";
  if (!text || text === "{}" || text === "null") return null;
  if (/^[[{]/.test(text)) return named(whole(text)) ?? namedInPart(text) ?? firstLine(text);
  if (text.startsWith('"')) {
    const value = whole(text);
    if (typeof value === "string") return firstLine(value);
  }
  return firstLine(text);
}

/** The topic in the request itself. */
export function topicIn(request: unknown): string | null {
  if (typeof request === "string") return firstLine(request);
  return named(request);
}

function whole(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function named(value: unknown): string | null {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return null;
  const fields = value as Record<string, unknown>;
  for (const name of NAMES) {
    const field = fields[name];
    if (typeof field === "string" && field.trim()) return firstLine(field);
  }
  // One level below: {"request": {"topic": …}}.
  for (const field of Object.values(fields)) {
    if (field !== null && typeof field === "object" && !Array.isArray(field)) {
      const below = Object.entries(field).find(
        ([name, text]) => NAMES.includes(name) && typeof text === "string" && text.trim(),
      );
      if (below) return firstLine(below[1] as string);
    }
  }
  return null;
}

/** A field of JSON that ends in its middle. */
function namedInPart(text: string): string | null {
  for (const name of NAMES) {
    const match = new RegExp(`"${name}"\\s*:\\s*"((?:[^"\\\\]|\\\\.)*)`).exec(text);
    const value = match?.[1] ? whole(`"${match[1].replace(/\\u[0-9a-f]{0,3}$|\\$/i, "")}"`) : undefined;
    if (typeof value === "string" && value.trim()) return firstLine(value);
  }
  return null;
}

function firstLine(text: string): string | null {
  const line = text
    .split("\n")
    .map((part) => part.replace(/^#{1,6}\s+/, "").trim())
    .find(Boolean);
  if (!line) return null;
  return visible(line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line);
}
