/** Means of scores over time: of the scores by name, and of one score by what its traces used. */

import { visible } from "../lib/format.ts";
import type { ScoreSeries } from "./answers.ts";
import { hueOf, OTHER } from "./groups.ts";
import type { Series } from "./Series.svelte";

export const SCORE_GROUPINGS = { model_name: "model", prompt_version: "prompt version" } as const;

export type ScoreGrouping = keyof typeof SCORE_GROUPINGS;

/** A series with what its values are together. */
export type ScoredSeries = Series & { mean: number | null; count: number };

const SHOWN = 8;

/** Every number: a filter that only asks for the score. */
const LOWEST = "-1000000000000000";

const scored = (name: string): Record<string, string> => ({ [`score.${name}>`]: LOWEST });

type Means = Pick<ScoreSeries, "mean" | "count" | "points">;

const drawn = ({ mean, count, points }: Means, index: number) => ({
  hue: hueOf(index),
  values: points.map((point) => point.mean),
  mean,
  count,
});

/** The scores with most values. */
export function seriesOfScores(scores: readonly ScoreSeries[]): ScoredSeries[] {
  return scores.slice(0, SHOWN).map((score, index) => ({
    ...drawn(score, index),
    name: score.name,
    label: visible(score.name),
    only: scored(score.name),
  }));
}

/** A score in its groups, those with most values first and what the API counts together last. */
export function seriesOfGroups(
  name: string,
  score: ScoreSeries | undefined,
  grouping: ScoreGrouping,
): ScoredSeries[] {
  const groups = score?.groups ?? [];
  const named = groups.filter(({ group }) => group !== OTHER).slice(0, SHOWN);
  const other = groups.find(({ group }) => group === OTHER);
  const series = named.map((one, index) => ({
    ...drawn(one, index),
    name: one.group ?? "",
    label: one.group === null ? `without ${SCORE_GROUPINGS[grouping]}` : visible(one.group),
    only: { ...scored(name), [grouping]: one.group },
  }));
  if (!other) return series;
  const rest = { ...drawn(other, SHOWN), name: "\u0000rest", label: "others", hue: "var(--hue-rest)" };
  return [...series, { ...rest, only: scored(name) }];
}
