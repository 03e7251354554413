/** Outlines for tests: rows by hand, and generated ones of any size. */

import type { OutlineSpan } from "../src/api/types.ts";

export function row(id: string, parent: string | null, fields: Partial<OutlineSpan> = {}): OutlineSpan {
  return {
    span_id: id,
    depth: parent === null ? 0 : 1,
    status: "success",
    start_offset_ms: 0,
    duration_ms: 100,
    counted: false,
    span_name: id,
    operation_type: "chain",
    ...(parent === null ? {} : { parent_span_id: parent }),
    ...fields,
  };
}

/** Numbers that look random and are the same in each run. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296;
    return state / 4294967296;
  };
}

/** A tree of `size` spans in no particular order, with failures and calls that cost. */
export function generated(size: number, seed = 1): OutlineSpan[] {
  const next = random(seed);
  const rows: OutlineSpan[] = [row("s0", null, { duration_ms: size })];
  for (let index = 1; index < size; index++) {
    const parent = rows[Math.floor(next() * Math.min(index, 60) + Math.max(0, index - 60))] as OutlineSpan;
    const failed = next() < 0.01;
    rows.push(
      row(`s${index}`, parent.span_id, {
        depth: parent.depth + 1,
        start_offset_ms: parent.start_offset_ms + next() * 10,
        duration_ms: next() * 50,
        status: failed ? "error" : "success",
        ...(next() < 0.4
          ? {
              operation_type: "completion",
              counted: true,
              total_tokens: Math.floor(next() * 1000),
              cost_usd: Math.floor(next() * 1e6) / 1e9,
            }
          : {}),
      }),
    );
  }
  return rows;
}
