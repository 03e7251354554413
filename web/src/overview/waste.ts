/** Wasted cost by provider and reason. */

import type { CostsAnswer } from "./answers.ts";

/** Why something was wasted, by the status of the calls that were, and the filters with which a ranking finds their traces. */
export const REASONS = [
  { status: "error", label: "calls that failed", only: { has_errors: "true" } },
  {
    status: "success",
    label: "answers thrown away: repeated, or in traces that failed",
    only: {}, // also in traces that succeeded: their order by waste finds them
  },
] as const;

export interface Waste {
  provider: string | null;
  total: number;
  /** In the order of `REASONS`. */
  parts: number[];
}

/** The providers with waste, the largest first. */
export function wasteOf(outcomes: CostsAnswer["by_outcome"]): Waste[] {
  const rows = new Map<string | null, Waste>();
  for (const { model_provider: provider, status, wasted_cost_usd: wasted } of outcomes) {
    if (!wasted) continue;
    const row = rows.get(provider) ?? { provider, total: 0, parts: REASONS.map(() => 0) };
    const index = status === "error" ? 0 : 1;
    row.parts[index] = (row.parts[index] as number) + wasted;
    row.total += wasted;
    rows.set(provider, row);
  }
  return [...rows.values()].toSorted((a, b) => b.total - a.total);
}
