/** From times to pixels: one pure scale for rows, ruler and minimap. Idle time can be squeezed. */

export interface Interval {
  start: number;
  end: number;
}

export interface Scale {
  /** Pixels of a time in milliseconds from the start of the trace. */
  x(ms: number): number;
  /** The time at a pixel. */
  time(x: number): number;
  /** Where idle time is squeezed: its pixels, and how long it is. */
  breaks: { x: number; width: number; ms: number }[];
}

const BREAK_WIDTH = 18;

/** A scale that shows `window` in `width` pixels. Each gap that lies in it takes a fixed width. */
export function scaleOf(window: Interval, width: number, gaps: readonly Interval[] = []): Scale {
  const span = Math.max(window.end - window.start, 1e-6);
  const inside = gaps
    .map((gap) => ({ start: Math.max(gap.start, window.start), end: Math.min(gap.end, window.end) }))
    .filter((gap) => gap.end > gap.start);
  const squeezed = inside.reduce((sum, gap) => sum + gap.end - gap.start, 0);
  const breakWidth = inside.length ? Math.min(BREAK_WIDTH, width / 2 / inside.length) : 0;
  const perMs = Math.max(width - breakWidth * inside.length, 1) / Math.max(span - squeezed, 1e-6);

  const stops: { ms: number; x: number; perMs: number }[] = [];
  const breaks: Scale["breaks"] = [];
  let ms = window.start;
  let x = 0;
  for (const gap of inside) {
    stops.push({ ms, x, perMs });
    x += (gap.start - ms) * perMs;
    breaks.push({ x, width: breakWidth, ms: gap.end - gap.start });
    stops.push({ ms: gap.start, x, perMs: breakWidth / (gap.end - gap.start) });
    x += breakWidth;
    ms = gap.end;
  }
  stops.push({ ms, x, perMs });

  const stopBefore = (value: number, of: "ms" | "x") => {
    let low = 0;
    let high = stops.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((stops[middle] as (typeof stops)[0])[of] <= value) low = middle;
      else high = middle - 1;
    }
    return stops[low] as (typeof stops)[0];
  };
  return {
    x: (value) => {
      const stop = stopBefore(value, "ms");
      return stop.x + (value - stop.ms) * stop.perMs;
    },
    time: (value) => {
      const stop = stopBefore(value, "x");
      return stop.ms + (value - stop.x) / stop.perMs;
    },
    breaks,
  };
}

const STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3, 60e3, 120e3, 300e3, 600e3, 900e3,
  1800e3, 3600e3,
];

/** The times of the ruler's marks: round ones, at least `room` pixels apart. */
export function ticksOf(window: Interval, width: number, room = 72): number[] {
  const span = window.end - window.start;
  if (!(span > 0) || width < room) return [];
  const least = (span * room) / width;
  const step =
    least < 1
      ? 10 ** Math.ceil(Math.log10(least))
      : (STEPS.find((value) => value >= least) ?? Math.ceil(least / 3600e3) * 3600e3);
  const ticks: number[] = [];
  for (let index = Math.ceil(window.start / step); index * step <= window.end; index++)
    ticks.push(index * step);
  return ticks;
}

/** Intervals as a sorted list without overlaps. */
export function union(intervals: readonly Interval[]): Interval[] {
  const merged: Interval[] = [];
  for (const interval of [...intervals].sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last && interval.start <= last.end) last.end = Math.max(last.end, interval.end);
    else merged.push({ ...interval });
  }
  return merged;
}

/** What `whole` has outside of `parts`, in order. */
export function without(whole: Interval, parts: readonly Interval[]): Interval[] {
  const left: Interval[] = [];
  let from = whole.start;
  for (const part of union(parts)) {
    if (part.start > from) left.push({ start: from, end: Math.min(part.start, whole.end) });
    from = Math.max(from, part.end);
    if (from >= whole.end) break;
  }
  if (from < whole.end) left.push({ start: from, end: whole.end });
  return left.filter((interval) => interval.end > interval.start);
}

/** A gap is worth a break if it takes at least this share of the trace. */
const GAP_SHARE = 0.04;
const GAPS_MAX = 12;

/** The long times in which nothing ran, given the intervals of all spans without children. */
export function gapsOf(whole: Interval, leaves: readonly Interval[]): Interval[] {
  const least = (whole.end - whole.start) * GAP_SHARE;
  return without(whole, leaves)
    .filter((gap) => gap.end - gap.start >= least)
    .sort((a, b) => b.end - b.start - (a.end - a.start))
    .slice(0, GAPS_MAX)
    .sort((a, b) => a.start - b.start);
}

/** Whether idle time is most of a trace, so that squeezing it is worth an offer. */
export function idleShare(whole: Interval, gaps: readonly Interval[]): number {
  const span = whole.end - whole.start;
  return span > 0 ? gaps.reduce((sum, gap) => sum + gap.end - gap.start, 0) / span : 0;
}
