/** Days by the clock of a time zone. They have 23 or 25 hours, or begin late, when the clocks change. */

const DAY_MS = 86_400_000;
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    formats.set(zone, format);
  }
  return format;
}

/** What the clocks of a zone show at a moment, in milliseconds as if they were those of UTC. */
export function wallOf(moment: number, zone: string): number {
  const part: Record<string, number> = {};
  for (const { type, value } of formatOf(zone).formatToParts(moment)) part[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second) + (((moment % 1000) + 1000) % 1000);
}

/**
 * The moment at which the clocks show something: the first of two, when they are set back. A time that they skip gives the
 * moment that is as long after the change.
 */
export function momentOf(wall: number, zone: string): number {
  const candidates = [wall - DAY_MS, wall + DAY_MS].map((near) => wall - (wallOf(near, zone) - near));
  const [before, after] = candidates as [number, number];
  if (wallOf(before, zone) === wall) return before;
  return wallOf(after, zone) === wall ? after : before;
}

/** The start of the day of a moment. */
export function dayStart(moment: number, zone: string): number {
  const wall = wallOf(moment, zone);
  return momentOf(wall - (((wall % DAY_MS) + DAY_MS) % DAY_MS), zone);
}

/** The same time of the day, a number of days later or earlier. */
export function shiftDays(moment: number, days: number, zone: string): number {
  return momentOf(wallOf(moment, zone) + days * DAY_MS, zone);
}

/** The number of whole days between two starts of days; null if one of the moments is none. */
export function wholeDays(from: number, to: number, zone: string): number | null {
  if (dayStart(from, zone) !== from || dayStart(to, zone) !== to) return null;
  return Math.round((wallOf(to, zone) - wallOf(from, zone)) / DAY_MS);
}

/** The start of the month of a moment. */
export function monthStart(moment: number, zone: string): number {
  const wall = new Date(wallOf(moment, zone));
  return momentOf(Date.UTC(wall.getUTCFullYear(), wall.getUTCMonth(), 1), zone);
}
