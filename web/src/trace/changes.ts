/** A running trace that grows in place: the outline with the changes that the API reports since a version. */

import type { Changes, Outline, OutlineSpan } from "../api/types.ts";

/** The outline after changes. Rows that did not change stay the same objects. */
export function applied(before: Outline, changes: Changes): Outline {
  const gone = new Set(changes.trace.gone);
  const changed = new Map(changes.trace.changed.map((row) => [row.span_id, row]));
  const rows: OutlineSpan[] = [];
  for (const row of before.trace.outline) {
    if (gone.has(row.span_id)) continue;
    const replacement = changed.get(row.span_id);
    rows.push(replacement ?? row);
    changed.delete(row.span_id);
  }
  rows.push(...changed.values());
  return {
    trace: { summary: changes.trace.summary, outline: rows },
    next_cursor: null,
    version: changes.version,
  };
}
