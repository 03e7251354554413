/** Kinds of spans: an icon, a hue and a short name for each operation type. */

import type { IconName } from "../components/icons.ts";

export interface Kind {
  icon: IconName;
  /** The name of the custom property with the colour. */
  hue: string;
  label: string;
}

const KINDS: Record<string, Kind> = {
  completion: { icon: "completion", hue: "--completion", label: "model call" },
  tool_call: { icon: "tool", hue: "--tool", label: "tool" },
  agent: { icon: "agent", hue: "--agent", label: "agent" },
  chain: { icon: "agent", hue: "--agent", label: "chain" },
  workflow: { icon: "agent", hue: "--agent", label: "workflow" },
  retrieval: { icon: "retrieval", hue: "--retrieval", label: "retrieval" },
  rerank: { icon: "retrieval", hue: "--retrieval", label: "rerank" },
  embedding: { icon: "embedding", hue: "--embedding", label: "embedding" },
  guardrail: { icon: "guardrail", hue: "--guardrail", label: "guardrail" },
  evaluation: { icon: "evaluation", hue: "--evaluation", label: "evaluation" },
  lesson: { icon: "lesson", hue: "--lesson", label: "lesson" },
  http: { icon: "http", hue: "--other", label: "HTTP" },
};

const OTHER: Kind = { icon: "other", hue: "--other", label: "other" };

export function kindOf(operation: string | null | undefined): Kind {
  return KINDS[operation ?? ""] ?? (operation ? { ...OTHER, label: operation } : OTHER);
}

/** Spans of a kind, in words: `model calls`, `HTTP spans`, `spans without a kind`. */
export function pluralOf(operation: string | null | undefined): string {
  if (!operation) return "spans without a kind";
  const { label } = kindOf(operation);
  return ["http", "other"].includes(operation) || !(operation in KINDS) ? `${label} spans` : `${label}s`;
}
