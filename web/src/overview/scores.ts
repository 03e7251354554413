/** Means of scores by what traces used, from their summaries. */

import type { TraceSummary } from "../api/types.ts";

export interface MeanScore {
  value: string;
  count: number;
  mean: number;
}

type Scored = Pick<TraceSummary, "scores" | "models" | "prompt_versions">;

/** The mean of a score over the traces with each model or prompt version, that of most traces first. */
export function meansBy(
  traces: readonly Scored[],
  name: string,
  field: "models" | "prompt_versions",
): MeanScore[] {
  const sums = new Map<string, { count: number; sum: number }>();
  for (const trace of traces) {
    const score = trace.scores[name];
    if (score === undefined) continue;
    for (const value of trace[field]) {
      const found = sums.get(value) ?? { count: 0, sum: 0 };
      sums.set(value, { count: found.count + 1, sum: found.sum + score });
    }
  }
  return [...sums]
    .map(([value, { count, sum }]) => ({ value, count, mean: sum / count }))
    .toSorted((a, b) => b.count - a.count || a.value.localeCompare(b.value));
}
