/** The points of a chart over time: when each begins and ends, in numbers and in words. */

import { router } from "../lib/router.svelte.ts";
import { zone } from "../lib/zone.svelte.ts";
import type { Points } from "./answers.ts";
import type { Cell } from "./Table.svelte";

export interface TimeAxis {
  /** The start of each point. */
  times: readonly string[];
  /** The end of the last point. */
  end: string;
  interval: Points["interval"];
}

/** The axis of an answer. *absent*: no points, while there is no answer. */
export const timeAxisOf = (answer: Points | undefined, times: readonly string[] = []): TimeAxis => ({
  times,
  end: answer?.end_date ?? "",
  interval: answer?.interval ?? "day",
});

/** The end of a point, which is the start of the next one. */
export const endOf = ({ times, end }: TimeAxis, index: number): string => times[index + 1] ?? end;

/** A point in words: `22 Nov`, or `22 Nov, 10:00 – 11:00`. */
export function pointWords(axis: TimeAxis, index: number): string {
  const start = axis.times[index] ?? "";
  if (axis.interval === "day") return zone.show(start, "day");
  return `${zone.show(start)} – ${zone.show(endOf(axis, index), "minute")}`;
}

/** A point as the first cell of a row. It sets the range. */
export const pointCell = (axis: TimeAxis, index: number): Cell => ({
  text: pointWords(axis, index),
  run: () => router.set({ from: axis.times[index] ?? null, to: endOf(axis, index), range: null }),
});
