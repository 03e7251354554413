/** JSON whose numbers keep the digits with which they were sent. */

/** A number that JavaScript would write differently, such as 12345678901234567890 or 1.0. */
export class ExactNumber {
  constructor(readonly source: string) {}

  toString(): string {
    return this.source;
  }

  toJSON(): unknown {
    const raw = (JSON as unknown as { rawJSON?: (text: string) => unknown }).rawJSON;
    return raw ? raw(this.source) : Number(this.source);
  }
}

/** Fields of the API itself are measures: only stored JSON below these names must keep its digits. */
const STORED: ReadonlySet<string> = new Set([
  "input_data",
  "output_data",
  "metadata",
  "request_data",
  "response_data",
  "new_messages",
  "attributes",
]);
const HAS_STORED = new RegExp(`"(?:${[...STORED].join("|")})":`);

const SUSPICIOUS = /\d{16}|\.\d*0\b|[eE][+-]?\d/;

/** Parse JSON. Where the engine gives the source of a number, numbers that would change are kept as ExactNumber. */
export function parseExact(text: string): unknown {
  if (!HAS_STORED.test(text) || !SUSPICIOUS.test(text)) return JSON.parse(text);
  return exactBelow(
    JSON.parse(text),
    JSON.parse(text, keepSource as (key: string, value: unknown) => unknown),
  );
}

/**
 * Parse a JSON text that was stored as a text, with its numbers as they were sent.
 * @throws SyntaxError
 */
export function parseStored(text: string): unknown {
  return SUSPICIOUS.test(text)
    ? JSON.parse(text, keepSource as (key: string, value: unknown) => unknown)
    : JSON.parse(text);
}

function keepSource(_: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== "number" || context?.source === undefined) return value;
  return String(value) === context.source ? value : new ExactNumber(context.source);
}

/** `plain`, with what stands below the names of stored JSON taken from `exact`. */
function exactBelow(plain: unknown, exact: unknown): unknown {
  if (plain === null || typeof plain !== "object") return plain;
  if (Array.isArray(plain)) return plain.map((item, index) => exactBelow(item, (exact as unknown[])[index]));
  const from = exact as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(plain).map(([name, value]) => [
      name,
      STORED.has(name) ? from[name] : exactBelow(value, from[name]),
    ]),
  );
}
