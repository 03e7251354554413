/** Where the marks of a chart are: pure functions from values to pixels. */

/** The vertical axis: its round numbers, and the share of the height at which a value is. */
export interface Axis {
  ticks: number[];
  /** The decimals that every tick needs: those of the step between them. */
  decimals: number;
  share: (value: number) => number;
}

/** An axis in equal steps of 1, 2 or 5 times a power of ten, from 0 or the smallest value to the largest. */
export function axisOf(largest: number, smallest = 0, ticks = 3): Axis {
  const length = largest - smallest;
  if (!(length > 0) || !Number.isFinite(length)) return { ticks: [0], decimals: 0, share: () => 0 };
  const rough = length / ticks;
  const exponent = Math.floor(Math.log10(rough));
  const factor = [1, 2, 5].find((factor) => factor * 10 ** exponent >= rough * 0.999) ?? 10;
  const step = factor * 10 ** exponent;
  const first = Math.floor((smallest / step) * 0.999);
  const last = Math.ceil((largest / step) * 0.999);
  return {
    ticks: Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step),
    decimals: Math.max(0, -exponent - (factor === 10 ? 1 : 0)),
    share: (value) => (value / step - first) / (last - first),
  };
}

/** An axis on which a factor is a distance, so that a slow hour does not flatten all others. */
export function factorAxisOf(values: readonly number[], ticks = 5): Axis {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  if (!positive.length) return { ticks: [], decimals: 0, share: () => 0 };
  const low = Math.log10(Math.min(...positive)) - 0.08;
  const high = Math.max(Math.log10(Math.max(...positive)) + 0.08, low + 0.5);
  const share = (value: number) =>
    Math.max(0, Math.min(1, (Math.log10(Math.max(value, Number.MIN_VALUE)) - low) / (high - low)));
  const round = (factors: number[]) =>
    Array.from(
      { length: Math.ceil(high) - Math.floor(low) + 1 },
      (_, index) => 10 ** (Math.floor(low) + index),
    )
      .flatMap((power) => factors.map((factor) => factor * power))
      .filter((value) => Math.log10(value) >= low && Math.log10(value) <= high);
  const choices = [[1, 2, 5], [1, 3], [1]].map(round);
  return {
    ticks: choices.find((choice) => choice.length <= ticks) ?? choices[2] ?? [],
    decimals: Math.max(0, -Math.floor(low)),
    share,
  };
}

/** The pixel at which each point begins, and at last the pixel at which the last one ends. Widths follow real time. */
export function columnsOf(times: readonly number[], end: number, width: number): number[] {
  const start = times[0] ?? 0;
  const scale = width / Math.max(end - start, 1);
  return [...times, end].map((time) => (time - start) * scale);
}

/** The index of the column at a pixel. */
export function columnAt(columns: readonly number[], x: number): number {
  let low = 0;
  let high = Math.max(columns.length - 2, 0);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((columns[middle] as number) <= x) low = middle;
    else high = middle - 1;
  }
  return low;
}

const pixel = (value: number): string => String(Math.round(value * 10) / 10);

/** Each series on top of those before it: the lower and the upper values. */
export function stackOf(series: readonly (readonly number[])[]): [number, number][][] {
  const tops: number[] = [];
  return series.map((values) =>
    values.map((value, index) => {
      const low = tops[index] ?? 0;
      tops[index] = low + value;
      return [low, low + value];
    }),
  );
}

/** The bars of one series as one path. A value that is not zero is at least half a pixel high. */
export function barsPath(
  columns: readonly number[],
  bounds: readonly (readonly [number, number])[],
  share: Axis["share"],
  height: number,
): string {
  return bounds
    .map(([low, high], index) => {
      if (!(high > low)) return "";
      const [left, right] = [columns[index] as number, columns[index + 1] as number];
      const gap = right - left > 4 ? 1 : 0;
      const bottom = height - share(low) * height;
      const top = Math.min(bottom - 0.5, height - share(high) * height);
      return `M${pixel(left)} ${pixel(bottom)}V${pixel(top)}H${pixel(right - gap)}V${pixel(bottom)}z`;
    })
    .join("");
}

/** A line through the middles of the columns, with gaps where there is no value; a lone value is a short dash. */
export function linePath(
  columns: readonly number[],
  values: readonly (number | null)[],
  share: Axis["share"],
  height: number,
): string {
  let path = "";
  values.forEach((value, index) => {
    if (value === null) return;
    const [left, right] = [columns[index] as number, columns[index + 1] as number];
    const y = pixel(height - share(value) * height);
    const joined = index > 0 && values[index - 1] !== null;
    const lone = !joined && (values[index + 1] ?? null) === null;
    if (lone) path += `M${pixel(left + (right - left) * 0.15)} ${y}H${pixel(right - (right - left) * 0.15)}`;
    else path += `${joined ? "L" : "M"}${pixel((left + right) / 2)} ${y}`;
  });
  return path;
}

/** The levels of a heatmap: the share of the largest number that a cell of each level exceeds. */
const LEVELS = 6;

/** For each level a path with its cells. Few calls are visible next to many: levels grow by a factor. */
export function heatPaths(
  columns: readonly number[],
  counts: readonly (readonly number[])[],
  height: number,
): string[] {
  const paths = Array.from({ length: LEVELS }, () => "");
  const most = Math.max(1, ...counts.map((row) => Math.max(0, ...row)));
  const rowHeight = height / Math.max(counts.length, 1);
  counts.forEach((row, rowIndex) => {
    const bottom = height - rowIndex * rowHeight;
    row.forEach((count, index) => {
      if (!count) return;
      const [left, right] = [columns[index] as number, columns[index + 1] as number];
      const gap = right - left > 4 ? 1 : 0;
      paths[levelOf(count, most)] +=
        `M${pixel(left)} ${pixel(bottom - 1)}V${pixel(bottom - rowHeight)}H${pixel(right - gap)}V${pixel(bottom - 1)}z`;
    });
  });
  return paths;
}

/** The level of a count, from 0. */
export function levelOf(count: number, most: number): number {
  if (most <= 1) return LEVELS - 1;
  const share = Math.log(count) / Math.log(most);
  return Math.min(LEVELS - 1, Math.floor(share * LEVELS));
}

export interface TimeTick {
  index: number;
  x: number;
  /** Whether it is the start of a day. */
  day: boolean;
}

/**
 * Columns with a label below them: those that begin a day, or an hour that divides the day, as far as there is room. The
 * clock of a column is that of the reader's zone, so a change of clocks moves no label away from its midnight.
 */
export function timeTicks(
  columns: readonly number[],
  walls: readonly number[],
  width: number,
  room = 76,
): TimeTick[] {
  const HOUR = 3_600_000;
  const most = Math.max(1, Math.floor(width / room));
  const steps = [0.25, 1, 2, 3, 6, 12, 24].map((hours) => hours * HOUR);
  const found = (step: number) =>
    walls.flatMap((wall, index) => (begins(wall, walls[index - 1], step) ? [index] : []));
  const days = found(24 * HOUR);
  const step = steps.find((candidate) => found(candidate).length <= most);
  const every = Math.ceil(days.length / most);
  const indexes = step ? found(step) : days.filter((_, index) => index % every === 0);
  return indexes
    .map((index) => ({
      index,
      x: columns[index] as number,
      day: begins(walls[index] as number, walls[index - 1], 24 * HOUR),
    }))
    .filter((tick) => tick.x <= width - room / 2 || indexes.length === 1);
}

/** Whether a column is the first of a step of the clock: at midnight, or just after one that the clocks skipped. */
const begins = (wall: number, before: number | undefined, step: number): boolean =>
  before === undefined ? wall % step === 0 : Math.floor(wall / step) > Math.floor(before / step);
