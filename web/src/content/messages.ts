/**
 * Conversations in inputs and outputs: the API's own form, and the usual forms of native clients. Anything else is shown
 * as JSON.
 */

import { parseStored } from "../api/exact.ts";

export type Part =
  | { type: "text"; text: string }
  | { type: "reasoning"; text: string }
  | { type: "tool_call"; id: string | null; name: string | null; arguments: unknown; result?: ToolResult }
  | ToolResult
  | {
      type: "media";
      mime_type: string | null;
      bytes: number | null;
      ref: string | null;
      sha256: string | null;
      data: string | null;
      uri: string | null;
    }
  | { type: "other"; value: unknown };

export interface ToolResult {
  type: "tool_result";
  id: string | null;
  name: string | null;
  result: unknown;
}

export interface Message {
  role: string;
  parts: Part[];
}

export interface Conversation {
  messages: Message[];
  /** What the object has besides its messages, such as tool definitions; null if nothing. */
  rest: Record<string, unknown> | null;
}

type Fields = Record<string, unknown>;

/** Whether a value is a JSON object. A number that is kept exactly is none. */
export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.getPrototypeOf(value) === Object.prototype;

const INSTRUCTING = new Set(["system", "developer"]);

/** Whether a message is an instruction of the system, and no part of the talk. */
export const isInstruction = ({ role }: Pick<Message, "role">): boolean => INSTRUCTING.has(role);

const HUES = new Map([
  ["user", "--lesson"],
  ["assistant", "--completion"],
  ["tool", "--tool"],
]);

/** The hue of who speaks. */
export const hueOfRole = (role: string): string => HUES.get(role) ?? "--other";

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);

/** The conversation in an input or output; null if it has none. A lone text is a message of `role`. */
export function conversationOf(data: unknown, role: "user" | "assistant"): Conversation | null {
  if (typeof data === "string")
    return data ? { messages: [{ role, parts: [{ type: "text", text: data }] }], rest: null } : null;
  if (Array.isArray(data))
    return data.length && data.every(isMessage) ? { messages: data.map(messageOf), rest: null } : null;
  if (!isFields(data)) return null;
  for (const name of ["messages", "choices", "prompt", "content", "text", "message"]) {
    if (!(name in data)) continue;
    const messages = messagesIn(name, data[name], role);
    if (!messages) continue;
    const { [name]: _, ...rest } = data;
    return { messages, rest: Object.keys(rest).length ? rest : null };
  }
  return null;
}

function messagesIn(name: string, value: unknown, role: string): Message[] | null {
  if (typeof value === "string") return value ? [{ role, parts: [{ type: "text", text: value }] }] : null;
  if (name === "message") return isMessage(value) ? [messageOf(value)] : null;
  if (name === "choices") {
    if (!Array.isArray(value) || !value.length) return null;
    const messages = value.map((choice) => (isFields(choice) ? choice.message : null));
    return messages.every(isMessage) ? messages.map(messageOf) : null;
  }
  if (!Array.isArray(value) || !value.length) return null;
  if (value.every(isMessage)) return value.map(messageOf);
  return name === "content" && value.every(isPart) ? [{ role, parts: value.map(partOf) }] : null;
}

const isMessage = (value: unknown): value is Fields =>
  isFields(value) &&
  typeof value.role === "string" &&
  ("parts" in value || "content" in value || "tool_calls" in value);

const isPart = (value: unknown): value is Fields => isFields(value) && typeof value.type === "string";

function messageOf(value: Fields): Message {
  const role = String(value.role);
  const content = value.parts ?? value.content;
  const parts: Part[] = [];
  if (role === "tool" && typeof value.content === "string") {
    return {
      role,
      parts: [
        { type: "tool_result", id: text(value.tool_call_id), name: text(value.name), result: value.content },
      ],
    };
  }
  if (typeof content === "string") parts.push({ type: "text", text: content });
  else if (Array.isArray(content))
    parts.push(
      ...content.map((part) =>
        isPart(part)
          ? partOf(part)
          : typeof part === "string"
            ? { type: "text" as const, text: part }
            : { type: "other" as const, value: part },
      ),
    );
  else if (content !== undefined && content !== null) parts.push({ type: "other", value: content });
  if (Array.isArray(value.tool_calls)) parts.push(...value.tool_calls.map(callOf));
  return { role, parts };
}

function callOf(value: unknown): Part {
  if (!isFields(value)) return { type: "other", value };
  const called = isFields(value.function) ? value.function : value;
  return {
    type: "tool_call",
    id: text(value.id),
    name: text(called.name),
    arguments: called.arguments ?? null,
  };
}

function partOf(part: Fields): Part {
  switch (part.type) {
    case "text":
    case "input_text":
    case "output_text":
      return typeof part.text === "string"
        ? { type: "text", text: part.text }
        : { type: "other", value: part };
    case "reasoning":
    case "thinking": {
      const thought = text(part.text) ?? text(part.thinking);
      return thought === null ? { type: "other", value: part } : { type: "reasoning", text: thought };
    }
    case "tool_call":
    case "tool_use":
      return {
        type: "tool_call",
        id: text(part.id),
        name: text(part.name),
        arguments: part.arguments ?? part.input ?? null,
      };
    case "tool_result":
      return {
        type: "tool_result",
        id: text(part.id) ?? text(part.tool_use_id),
        name: text(part.name),
        result: part.result ?? part.content ?? null,
      };
    case "media":
      return medium({
        mime_type: text(part.mime_type),
        bytes: typeof part.bytes === "number" ? part.bytes : null,
        ref: text(part.ref),
        sha256: text(part.sha256),
        data: text(part.data),
        uri: text(part.uri) ?? text(part.url),
      });
    default:
      return mediaOf(part) ?? { type: "other", value: part };
  }
}

const DATA_ADDRESS = /^data:([^;,]+);base64,/;

/** An image, a document or a sound in the form of a provider's API; null for anything else. */
function mediaOf(part: Fields): Part | null {
  const { image_url: image, input_audio: audio, source } = part;
  const address = text(image) ?? (isFields(image) ? text(image.url) : null);
  if ((part.type === "image_url" || part.type === "input_image") && address !== null) {
    const mimeType = DATA_ADDRESS.exec(address)?.[1];
    return mimeType === undefined
      ? medium({ uri: address })
      : medium({ mime_type: mimeType, data: address.slice(address.indexOf(",") + 1) });
  }
  if (part.type === "input_audio" && isFields(audio))
    return medium({ mime_type: `audio/${text(audio.format) ?? "wav"}`, data: text(audio.data) });
  if ((part.type === "image" || part.type === "document") && isFields(source))
    return medium({ mime_type: text(source.media_type), data: text(source.data), uri: text(source.url) });
  return null;
}

const medium = (known: Partial<Extract<Part, { type: "media" }>>): Part => ({
  type: "media",
  mime_type: null,
  bytes: null,
  ref: null,
  sha256: null,
  data: null,
  uri: null,
  ...known,
});

/**
 * Messages in which each result of a tool stands with its call. A message that had nothing but such results is left out;
 * a result without a call stays where it is.
 */
export function withResults(messages: readonly Message[]): Message[] {
  const results = new Map<string, ToolResult>();
  for (const message of messages) {
    for (const part of message.parts)
      if (part.type === "tool_result" && part.id !== null) results.set(part.id, part);
  }
  if (!results.size) return [...messages];
  const called = new Set<ToolResult>();
  const joined = messages.map((message) => ({
    ...message,
    parts: message.parts.map((part) => {
      if (part.type !== "tool_call" || part.id === null) return part;
      const result = results.get(part.id);
      if (!result || called.has(result)) return part;
      called.add(result);
      return { ...part, result };
    }),
  }));
  return joined
    .map((message) => ({
      ...message,
      parts: message.parts.filter((part) => part.type !== "tool_result" || !called.has(part)),
    }))
    .filter((message, index) => message.parts.length > 0 || messages[index]?.parts.length === 0);
}

/** The text of a message, for copying. */
export function plainText(message: Pick<Message, "parts">): string {
  return message.parts
    .map((part) => {
      switch (part.type) {
        case "text":
        case "reasoning":
          return part.text;
        case "tool_call":
          return `${part.name ?? "tool"}(${asText(part.arguments)})${part.result ? `\n→ ${asText(part.result.result)}` : ""}`;
        case "tool_result":
          return asText(part.result);
        case "media":
          return `[${part.mime_type ?? "media"}]`;
        default:
          return asText(part.value);
      }
    })
    .join("\n\n");
}

/** A text as it is, and anything else as JSON. */
export function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** The JSON in a text, as arguments and results of tools often are; any other value as it is. */
export function parsedText(value: unknown): unknown {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value;
  try {
    return parseStored(value);
  } catch {
    return value;
  }
}

const ENDINGS: Record<string, string> = {
  length: "The answer was cut: it reached the token limit.",
  max_tokens: "The answer was cut: it reached the token limit.",
  content_filter: "A content filter stopped the answer.",
  refusal: "The model refused to answer.",
};

/** Why an answer ended before it was complete, in words; null if it is complete. */
export const endingOf = (finishReason: string | null | undefined): string | null =>
  ENDINGS[finishReason ?? ""] ?? null;
