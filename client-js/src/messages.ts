/** A model's input and output in OpenTelemetry's format: messages that consist of parts. */

type Message = Record<string, unknown>;

/**
 * Convert a value to a list of messages.
 *
 * A text becomes one message of `role`. A message's text content becomes a part, and a message without a role gets
 * `role`. Other content and other list items stay unchanged, because the store reads the providers' own formats.
 */
export function messages(value: unknown, role: string): unknown[] {
  if (typeof value === "string") return [{ role, parts: [text(value)] }];
  if (Array.isArray(value)) return value.map((item) => (isMessage(item) ? message(item, role) : item));
  if (isMessage(value)) return [message(value, role)];
  return [{ role, parts: [text(value)] }];
}

function isMessage(value: unknown): value is Message {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function message(value: Message, role: string): Message {
  if ("parts" in value || typeof value.content !== "string") return "role" in value ? value : { role, ...value };
  const { role: sentRole, content, ...other } = value;
  return { role: sentRole ?? role, parts: [text(content)], ...other };
}

function text(content: unknown): Message {
  return { type: "text", content };
}
