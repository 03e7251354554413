/** The numbers of a chart as rows of a table. */

import { router } from "../lib/router.svelte.ts";
import type { Points } from "./answers.ts";
import { hrefOf, tracesOf } from "./links.ts";
import type { Series } from "./Series.svelte";
import type { Cell } from "./Table.svelte";
import { pointWords } from "./words.ts";

/** A row for each point that has a value, the latest first. Its time sets the range, its values lead to the traces. */
export function seriesRows(
  series: readonly Series[],
  filters: Record<string, string>,
  times: readonly string[],
  end: string,
  interval: Points["interval"],
  format: (value: number) => string,
): Cell[][] {
  return times
    .flatMap((start, index): Cell[][] => {
      if (series.every(({ values }) => !values[index])) return [];
      const stop = times[index + 1] ?? end;
      return [
        [
          {
            text: pointWords(interval, start, stop),
            run: () => router.set({ from: start, to: stop, range: null }),
          },
          ...series.map(({ values, only, more }): Cell => {
            const value = values[index] ?? null;
            if (value === null || value === 0) return value === null ? "–" : format(0);
            return {
              text: format(value),
              href: hrefOf(tracesOf(Date.parse(start), Date.parse(stop), { ...filters, ...only }, more)),
            };
          }),
        ],
      ];
    })
    .toReversed();
}
