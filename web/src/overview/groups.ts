/** The groups of a chart by cost: the largest by themselves, the others together. */

import { visible } from "../lib/format.ts";
import type { Group } from "./answers.ts";
import type { Series } from "./Series.svelte";

export const GROUPINGS = {
  model_name: "model",
  model_provider: "provider",
  operation_type: "operation",
  service_name: "service",
  end_user_id: "end user",
} as const;

export type Grouping = keyof typeof GROUPINGS;

/** Groupings that are counted by themselves: they take no filter. */
export const UNFILTERED: ReadonlySet<Grouping> = new Set(["service_name", "end_user_id"]);

const SHOWN = 8;

/** The group in which the API counts what is beyond its limits. */
export const OTHER = "other";

export const hueOf = (index: number): string => `var(--hue-${index})`;

/** The series of groups, the most expensive first, and at last the rest. Groups that cost nothing are left out. */
export function costSeries(groups: readonly Group[], grouping: Grouping): Series[] {
  const costing = groups
    .filter(({ totals }) => totals.cost_usd > 0)
    .toSorted((a, b) => b.totals.cost_usd - a.totals.cost_usd);
  const named = costing.filter(({ group }) => group !== OTHER);
  const shown = named.slice(0, SHOWN);
  const rest = [...named.slice(SHOWN), ...costing.filter(({ group }) => group === OTHER)];
  const series = shown.map(({ group, points }, index): Series => ({
    name: group ?? "",
    label: group === null ? `without ${GROUPINGS[grouping]}` : visible(group),
    hue: hueOf(index),
    values: points.map(({ cost_usd }) => cost_usd),
    only: { [grouping]: group },
    more: { order_by: "cost" },
  }));
  const [first] = rest;
  if (!first) return series;
  return [
    ...series,
    {
      name: "\u0000rest",
      label: rest.length === 1 && first.group === OTHER ? "others" : `${rest.length} others`,
      hue: "var(--hue-rest)",
      values: first.points.map((_, index) =>
        rest.reduce((sum, { points }) => sum + (points[index]?.cost_usd ?? 0), 0),
      ),
      only: {},
      more: { order_by: "cost" },
    },
  ];
}

export const sumOf = (values: readonly (number | null)[]): number =>
  values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
