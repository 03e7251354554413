/** Means of scores by model, from the summaries of traces. */

import type { TraceSummary } from "../api/types.ts";

export interface ModelScore {
  model: string;
  count: number;
  mean: number;
}

/** The mean of a score over the traces that used each model, that of most traces first. */
export function scoresByModel(
  traces: readonly Pick<TraceSummary, "models" | "scores">[],
  name: string,
): ModelScore[] {
  const sums = new Map<string, { count: number; sum: number }>();
  for (const { models, scores } of traces) {
    const value = scores[name];
    if (value === undefined) continue;
    for (const model of models) {
      const found = sums.get(model) ?? { count: 0, sum: 0 };
      sums.set(model, { count: found.count + 1, sum: found.sum + value });
    }
  }
  return [...sums]
    .map(([model, { count, sum }]) => ({ model, count, mean: sum / count }))
    .toSorted((a, b) => b.count - a.count || a.model.localeCompare(b.model));
}
