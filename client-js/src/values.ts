/**
 * Conversion of any JavaScript value to JSON text within a limit.
 *
 * It never throws, calls no `toString` or `toJSON` of the application, and marks each cut with a note. Of objects whose
 * class is not one of JavaScript's own, only the name of the class is recorded: a client that is passed as an argument
 * contains its API key.
 */

import { typeOf } from "./failures.js";

/** The size limit of one value. The store accepts 4 MiB per span; prompts and lessons are far smaller. */
export const MAX_CHARACTERS = 262_144;

/** The limit on the number of values inside one value: many small values also take time. */
export const MAX_NODES = 10_000;

/** The limit on nesting. The store accepts 100; no real request is nested deeper than this. */
const MAX_DEPTH = 40;

const MAX_KEY_CHARACTERS = 1_024;
const MAX_BIGINT_DIGITS = 4_300;

/** The value unchanged if it is a text, otherwise as JSON; cut at about `limit` characters. */
export function asText(value: unknown, limit = MAX_CHARACTERS): string {
  return typeof value === "string" ? withoutSurrogates(cut(value, limit)) : asJson(value, limit);
}

/** The value as JSON of about `limit` characters at most. A text `… [cut: …]` replaces parts that were left out. */
export function asJson(value: unknown, limit = MAX_CHARACTERS): string {
  try {
    if (isPlainAndFits(value, limit)) {
      const text = JSON.stringify(value);
      if (!/\\ud[89a-f]/.test(text)) return text; // else it contains lone surrogates, or texts that look like them
    }
  } catch {
    // A getter or a proxy: the writer below reads property by property.
  }
  try {
    return new Writer(limit).text(value);
  } catch (failure) {
    return JSON.stringify(`[unreadable: ${typeOf(failure)}]`);
  }
}

/** The text, or its beginning with a note of its full length when it is longer than `limit`. */
export function cut(text: string, limit = MAX_CHARACTERS): string {
  return text.length <= limit ? text : `${text.slice(0, limit)}… [cut: ${text.length} characters]`;
}

/** The message of a thrown value, or a note that it cannot be read. */
export function messageOf(failure: unknown): string {
  try {
    if (failure instanceof Error) return withoutSurrogates(cut(String(failure.message), 8_192));
    return asText(failure, 8_192);
  } catch {
    return `[unreadable: ${typeOf(failure)}]`;
  }
}

/** Return whether the value consists of JSON's own types and is within the limits: JSON.stringify can be used. */
function isPlainAndFits(value: unknown, limit: number): boolean {
  const remaining: [unknown, number][] = [[value, 0]];
  let nodes = MAX_NODES;
  while (remaining.length) {
    const [item, depth] = remaining.pop()!;
    if (typeof item === "string") limit -= item.length;
    else if (item === null || typeof item === "boolean") limit -= 4;
    else if (typeof item === "number") {
      if (!Number.isFinite(item)) return false;
      limit -= 4;
    } else if (item === undefined && depth > 0) continue;
    else if (Array.isArray(item)) {
      nodes -= item.length;
      if (nodes < 0 || depth >= MAX_DEPTH) return false;
      for (const child of item) remaining.push([child, depth + 1]);
    } else if (isPlainObject(item)) {
      for (const key in item) {
        nodes -= 1;
        limit -= key.length;
        if (nodes < 0) return false;
        remaining.push([item[key], depth + 1]);
      }
      if (depth >= MAX_DEPTH) return false;
    } else return false;
    if (limit < 0) return false;
  }
  return true;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // An object from another realm, such as a `vm` context, has a prototype of its own that has no prototype.
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}

/** The text without lone surrogates, which UTF-8 cannot encode. */
function withoutSurrogates(text: string): string {
  if (!/[\ud800-\udfff]/.test(text)) return text;
  return text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}

/** A writer of one value as JSON. When its characters or nodes are used up, the rest of the value is cut. */
class Writer {
  private nodes = MAX_NODES;
  private parts: string[] = [];

  constructor(private characters: number) {}

  text(value: unknown): string {
    this.value(value, MAX_DEPTH);
    return this.parts.join("");
  }

  private put(part: string): void {
    this.parts.push(part);
    this.characters -= part.length;
  }

  private value(value: unknown, levels: number): void {
    this.nodes -= 1;
    switch (typeof value) {
      case "string":
        return this.string(value);
      case "number":
        return this.put(Number.isFinite(value) ? String(value) : `"${value}"`);
      case "boolean":
        return this.put(String(value));
      case "undefined":
        return this.put("null");
      case "bigint":
        return this.put(bigint(value));
      case "function":
        return this.string(`<function ${functionName(value)}>`);
      case "symbol":
        return this.string(String(value));
      default:
        return value === null ? this.put("null") : this.object(value as object, levels);
    }
  }

  private string(text: string): void {
    this.put(JSON.stringify(withoutSurrogates(cut(text, Math.max(this.characters, 0)))));
  }

  private object(value: object, levels: number): void {
    if (!levels) return this.put('"… [cut: too deep]"');
    if (Array.isArray(value)) return this.array(value, value.length, levels);
    if (isPlainObject(value)) return this.entries(plainEntries(value), Object.keys(value).length, levels);
    if (value instanceof Date) return this.string(Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString());
    if (value instanceof Error) return this.string(messageOf(value));
    if (value instanceof Map) return this.entries(mapEntries(value), value.size, levels);
    if (value instanceof Set) return this.array(value, value.size, levels);
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return this.put(`"[${value.byteLength} bytes]"`);
    if (value instanceof URL || value instanceof RegExp) return this.string(String(value));
    if (value instanceof String || value instanceof Number || value instanceof Boolean) {
      return this.value(value.valueOf(), levels - 1);
    }
    this.string(`<${className(value)}>`);
  }

  private isUsedUp(): boolean {
    return this.characters <= 0 || this.nodes <= 0;
  }

  private entries(entries: Iterable<[string, unknown]>, length: number, levels: number): void {
    this.put("{");
    let count = 0;
    let written = 0;
    for (const [key, item] of entries) {
      if (this.isUsedUp()) break;
      count += 1;
      if (item === undefined) continue;
      this.put(`${written ? "," : ""}${JSON.stringify(withoutSurrogates(cut(key, MAX_KEY_CHARACTERS)))}:`);
      this.value(item, levels - 1);
      written += 1;
    }
    if (count < length) this.put(`${written ? "," : ""}"…":"[cut: ${length - count} more]"`);
    this.put("}");
  }

  private array(items: Iterable<unknown>, length: number, levels: number): void {
    this.put("[");
    let count = 0;
    for (const item of items) {
      if (this.isUsedUp()) break;
      if (count) this.put(",");
      this.value(item, levels - 1);
      count += 1;
    }
    if (count < length) this.put(`${count ? "," : ""}"… [cut: ${length - count} more]"`);
    this.put("]");
  }
}

function* plainEntries(value: Record<string, unknown>): Iterable<[string, unknown]> {
  for (const key of Object.keys(value)) {
    let item: unknown;
    try {
      item = value[key];
    } catch (failure) {
      item = `[unreadable: ${typeOf(failure)}]`;
    }
    yield [key, item];
  }
}

function* mapEntries(value: Map<unknown, unknown>): Iterable<[string, unknown]> {
  for (const [key, item] of value) yield [asText(key, MAX_KEY_CHARACTERS), item];
}

function bigint(value: bigint): string {
  const text = value.toString();
  return text.length <= MAX_BIGINT_DIGITS ? text : `"[an integer of ${text.length} digits]"`;
}

function functionName(value: object): string {
  const name: unknown = Object.getOwnPropertyDescriptor(value, "name")?.value;
  return typeof name === "string" ? cut(name, MAX_KEY_CHARACTERS) : "";
}

function className(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  const constructor: unknown = prototype && Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  return typeof constructor === "function" ? functionName(constructor) || "object" : "object";
}
