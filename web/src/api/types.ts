/** The objects of the API, from its document. */

import type { components } from "./schema.d.ts";

type Schemas = components["schemas"];

export type TraceSummary = Schemas["TraceSummary"];
export type OutlineSpan = Schemas["OutlineSpan"];
export type Span = Schemas["Span"];
export type LessonSummary = Schemas["LessonSummary"];
export type LessonTrace = Schemas["LessonTrace"];
export type LessonCall = Schemas["LessonCall"];
export type ApiKey = Schemas["ApiKey"];
export type SavedView = Schemas["SavedView"];
export type Job = Schemas["Job"];
export type Deleted = Schemas["Deleted"];
export type HistogramPoint = Schemas["HistogramPoint"];
export type Conversation = Schemas["Conversation"];
export type Turn = Schemas["Turn"];
export type Match = Schemas["Match"];

export interface ListPage {
  traces: TraceSummary[];
  next_cursor: string | null;
  scanned_to: string | null;
  ranked?: number;
}

export interface Outline {
  trace: { summary: TraceSummary; outline: OutlineSpan[] };
  next_cursor: string | null;
  version: string | null;
}

export interface Changes {
  trace: { summary: TraceSummary; changed: OutlineSpan[]; gone: string[] };
  version: string | null;
  full: false;
}

export interface Histogram {
  start_date: string;
  end_date: string;
  interval: "15m" | "hour" | "day";
  points: HistogramPoint[];
  scanned_to: string | null;
  next_cursor: string | null;
}

export type Facets = Record<string, { value: string; count: number }[]>;

export interface Me {
  user_id: string;
  owner_id: string;
  team: string | null;
  teams: string[];
  credential: "jwt" | "api_key" | "share";
  scopes: string[];
  retention_days: number;
}
