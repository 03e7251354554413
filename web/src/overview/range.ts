/** The range of the overview, and the range before it that its numbers are compared with. */

import { dayStart, shiftDays, wholeDays } from "../lib/days.ts";

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

interface Choice {
  label: string;
  /** In the words of a comparison: "than in …". */
  before: string;
  /** The length in hours, or in whole days that end with today. */
  hours?: number;
  days?: number;
}

export const CHOICES: Record<string, Choice> = {
  "1h": { label: "Last hour", before: "the hour before", hours: 1 },
  today: { label: "Today", before: "yesterday up to this time", days: 1 },
  "24h": { label: "Last 24 hours", before: "the 24 hours before", hours: 24 },
  "7d": { label: "Last 7 days", before: "the 7 days before", days: 7 },
  "30d": { label: "Last 30 days", before: "the 30 days before", days: 30 },
  "90d": { label: "Last 90 days", before: "the 90 days before", days: 90 },
};

export const DEFAULT_CHOICE = "7d";

/** How far back counters are kept. */
const KEPT_DAYS = 400;

export interface Range {
  start: number;
  end: number;
  /** Whether it goes on: its end is now. */
  open: boolean;
  before: { start: number; end: number };
  beforeWords: string;
}

/** The choice of an address. One that the overview does not have is the longest, such as `all` of the list. */
export function choiceOf(query: URLSearchParams): string {
  const name = query.get("range");
  if (name === null) return DEFAULT_CHOICE;
  return Object.hasOwn(CHOICES, name) ? name : "90d";
}

/**
 * The range of an address: `from` and `to`, or the last hours or days up to now. Days are those of the zone. The range before
 * has the same length and ends at the same time of the day, so a day that is not over is compared with as much of another.
 */
export function rangeOf(query: URLSearchParams, now: number, zone: string): Range {
  const from = Date.parse(query.get("from") ?? "");
  const to = Date.parse(query.get("to") ?? "");
  const minute = Math.floor(now / MINUTE_MS) * MINUTE_MS;
  if (!Number.isNaN(from) || !Number.isNaN(to)) {
    const end = Number.isNaN(to) ? minute : to;
    const wanted = Number.isNaN(from) ? shiftDays(end, -7, zone) : from;
    const start = Math.max(Math.min(wanted, end - MINUTE_MS), shiftDays(end, -KEPT_DAYS + 1, zone));
    const days = wholeDays(start, end, zone);
    const before =
      days === null
        ? { start: start - (end - start), end: start }
        : { start: shiftDays(start, -days, zone), end: start };
    return { start, end, open: Number.isNaN(to), before, beforeWords: "the same time before" };
  }
  const choice = CHOICES[choiceOf(query)] as Choice;
  if (choice.days) {
    const start = shiftDays(dayStart(minute, zone), 1 - choice.days, zone);
    const before = {
      start: shiftDays(start, -choice.days, zone),
      end: shiftDays(minute, -choice.days, zone),
    };
    return { start, end: minute, open: true, before, beforeWords: choice.before };
  }
  const length = (choice.hours ?? 1) * HOUR_MS;
  const start = minute - length;
  return {
    start,
    end: minute,
    open: true,
    before: { start: start - length, end: start },
    beforeWords: choice.before,
  };
}
