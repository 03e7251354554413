/** The words for the status of a lesson. */

import type { LessonSummary } from "../api/types.ts";

type LessonStatus = LessonSummary["status"];

const SPAN_STATUS = { started: "pending", completed: "success", failed: "error" } as const;

/** The status of the lesson as that of a span. */
export const statusOf = (status: LessonStatus): "pending" | "success" | "error" => SPAN_STATUS[status];

/** Choices of the filter. */
export const STATUSES: Record<LessonStatus, string> = {
  completed: "Completed",
  failed: "Failed",
  started: "Running",
};
