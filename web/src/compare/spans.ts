/** What a call was asked, with which tools and parameters, and what it answered: the parts in which two calls are compared. */

import type { Span } from "../api/types.ts";
import {
  asText,
  conversationOf,
  isFields,
  isInstruction,
  plainText,
  type Message,
} from "../content/messages.ts";
import { toolsOf, type ToolDefinition } from "../content/tools.ts";

export interface SpanContent {
  /** The instructions of the system. */
  system: string;
  messages: readonly Message[];
  /** The input as text, where it is no conversation. */
  input: string | null;
  tools: readonly ToolDefinition[];
  parameters: Record<string, unknown>;
  output: string;
}

/** What is shown elsewhere, or would repeat the conversation. */
const NOT_PARAMETERS = new Set(["tools", "functions", "attributes", "events", "links", "resource"]);

export function contentOf(span: Span | null): SpanContent {
  const conversation = span ? conversationOf(span.input_data, "user") : null;
  const messages = conversation?.messages ?? [];
  const output = span ? conversationOf(span.output_data, "assistant") : null;
  return {
    system: messages.filter(isInstruction).map(plainText).join("\n\n"),
    messages: messages.filter((message) => !isInstruction(message)),
    input:
      conversation || span?.input_data === null || span?.input_data === undefined
        ? null
        : asText(span.input_data),
    tools: toolsOf(conversation?.rest, span?.metadata),
    parameters: { ...parametersIn(span?.metadata), ...parametersIn(conversation?.rest) },
    output: output
      ? output.messages.map(plainText).join("\n\n")
      : span?.output_data === null || span?.output_data === undefined
        ? ""
        : asText(span.output_data),
  };
}

const parametersIn = (value: unknown): Record<string, unknown> =>
  isFields(value)
    ? Object.fromEntries(Object.entries(value).filter(([name]) => !NOT_PARAMETERS.has(name)))
    : {};
