/** The times of a point in words. */

import { zone } from "../lib/zone.svelte.ts";
import type { Points } from "./answers.ts";

/** `22 Nov`, or `22 Nov, 10:00 – 11:00`. */
export function pointWords(interval: Points["interval"], start: string, end: string): string {
  if (interval === "day") return zone.show(start, "day");
  return `${zone.show(start)} – ${zone.show(end, "minute")}`;
}
