/** The difference of two texts, and of two conversations, message by message. */

import { diffArrays, diffLines, diffWordsWithSpace } from "diff";
import { plainText, type Message } from "./messages.ts";

/** A part of a text: in both, or only before or after. */
export interface TextPart {
  kind: "same" | "added" | "removed";
  text: string;
}

export type MessagePart =
  | { kind: "same"; count: number }
  | { kind: "added" | "removed"; message: Message }
  | { kind: "changed"; before: Message; after: Message };

/** Comparing takes no longer than this: texts that differ everywhere are then shown one after the other. */
const MOST_MS = 400;

/** The parts of two texts word by word, in order; whole texts where they differ too much. */
export function textDifference(before: string, after: string): TextPart[] {
  const parts =
    diffWordsWithSpace(before, after, { timeout: MOST_MS }) ?? diffLines(before, after, { timeout: MOST_MS });
  return parts
    ? parts.map((part) => ({
        kind: part.added ? "added" : part.removed ? "removed" : "same",
        text: part.value,
      }))
    : [
        { kind: "removed", text: before },
        { kind: "added", text: after },
      ];
}

/** The messages of two conversations in order. Where one message replaces another of its role, it is changed. */
export function messagesDifference(before: readonly Message[], after: readonly Message[]): MessagePart[] {
  const identity = (message: Message): string => `${message.role}\n${plainText(message)}`;
  const changes = diffArrays([...before].map(identity), [...after].map(identity), { timeout: MOST_MS }) ?? [
    { value: before.map(identity), removed: true, added: false, count: before.length },
    { value: after.map(identity), removed: false, added: true, count: after.length },
  ];
  const parts: MessagePart[] = [];
  let [old, present] = [0, 0];
  for (let index = 0; index < changes.length; index++) {
    const { value, removed, added } = changes[index] as (typeof changes)[number];
    if (!removed && !added) {
      parts.push({ kind: "same", count: value.length });
      old += value.length;
      present += value.length;
      continue;
    }
    const next = changes[index + 1];
    const gone = removed ? before.slice(old, old + value.length) : [];
    const come = removed
      ? next?.added
        ? after.slice(present, present + next.value.length)
        : []
      : after.slice(present, present + value.length);
    if (removed && next?.added) index++;
    old += gone.length;
    present += come.length;
    const pairs = Math.min(gone.length, come.length);
    for (let pair = 0; pair < pairs; pair++) {
      const [left, right] = [gone[pair] as Message, come[pair] as Message];
      if (left.role === right.role) parts.push({ kind: "changed", before: left, after: right });
      else parts.push({ kind: "removed", message: left }, { kind: "added", message: right });
    }
    parts.push(
      ...gone.slice(pairs).map((message) => ({ kind: "removed" as const, message })),
      ...come.slice(pairs).map((message) => ({ kind: "added" as const, message })),
    );
  }
  return parts;
}
