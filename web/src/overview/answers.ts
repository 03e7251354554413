/** The answers of the analytics that the overview shows, and the requests for them. */

import { get, type Query } from "../api/http.ts";
import type { components } from "../api/schema.d.ts";
import type { TraceSummary } from "../api/types.ts";
import { session } from "../auth/session.svelte.ts";

type Schemas = components["schemas"];

export type Measures = Schemas["Measures"];
export type Group = Schemas["Group"];
export type FailureType = Schemas["FailureType"];
export type Provider = Schemas["Provider"];
export type Heatmap = Schemas["Heatmap"];
export type Anomaly = Schemas["Anomaly"];
export type ScoreSeries = Schemas["ScoreSeries"];

export interface Points {
  start_date: string;
  end_date: string;
  interval: "15m" | "hour" | "day";
  timezone: string;
}

export type MetricsAnswer = Points & { totals: Measures; groups: Group[] };
export type ErrorsAnswer = Points & { errors: FailureType[] };
export type HeatmapAnswer = Points & { heatmaps: Heatmap[] };
export type ScoresAnswer = Points & { scores: ScoreSeries[] };
export interface ProvidersAnswer {
  providers: Provider[];
}
export interface AnomaliesAnswer {
  anomalies: Anomaly[];
}

type Row<Names extends string> = Measures & Record<Names, string | null>;

export interface CostsAnswer {
  totals: Measures;
  by_outcome: Row<"model_provider" | "status">[];
  by_conversation: Row<"conversation_id">[] | null;
  top_traces_by_cost: TraceSummary[];
}

const STALE_MS = 30_000;

/** A request of the overview. Until it is answered, the answer before it stays, as when a minute has passed. */
export function analyticsQuery<Answer>(route: string, parameters: Query, enabled = true) {
  return {
    queryKey: [session.owner, "overview", route, parameters],
    queryFn: ({ signal }: { signal: AbortSignal }) =>
      get<Answer>(`/api/analytics/${route}`, parameters, signal),
    placeholderData: (before: Answer | undefined) => before,
    staleTime: STALE_MS,
    enabled,
  };
}
