import { describe, expect, test } from "vitest";
import { merged, type Page } from "../src/lib/merge.ts";

interface Row {
  id: string;
  at: number;
  updated: number;
}

const of = {
  id: (row: Row) => row.id,
  position: (row: Row) => row.at,
  version: (row: Row) => String(row.updated),
};
const row = (id: string, at: number, updated = 0): Row => ({ id, at, updated });
const page = (rows: Row[], next_cursor: string | null): Page<Row> => ({
  rows,
  next_cursor,
  scanned_to: null,
});
const ids = (rows: Row[]): string[] => rows.map((one) => one.id);

describe("a poll of a list", () => {
  const rows = [row("c", 30), row("b", 20), row("a", 10)];

  test("keeps unchanged rows, replaces changed ones and separates new ones", () => {
    const changed = row("b", 20, 1);
    const next = merged(rows, page([row("d", 40), row("c", 30), changed], "x"), of, 20);
    expect(ids(next.newer)).toEqual(["d"]);
    expect(next.rows).toEqual([rows[0], changed, rows[2]]);
    expect(next.rows[0]).toBe(rows[0]);
    expect(next.rows[1]).toBe(changed);
  });

  test("leaves out what is gone, within the reach of the page", () => {
    expect(ids(merged(rows, page([row("c", 30)], null), of, 30).rows)).toEqual(["c"]);
    expect(ids(merged(rows, page([row("c", 30)], "x"), of, 30).rows)).toEqual(["c", "b", "a"]);
    expect(ids(merged(rows, page([row("c", 30)], "x"), of, 15).rows)).toEqual(["c", "a"]);
    expect(ids(merged(rows, page([], "x"), of, null).rows)).toEqual(["c", "b", "a"]);
  });

  test("puts a row that arrived late in its place", () => {
    const late = page([rows[0] as Row, row("late", 25), rows[1] as Row, rows[2] as Row], null);
    expect(ids(merged(rows, late, of, 10).rows)).toEqual(["c", "late", "b", "a"]);
  });

  test("of an empty list has new rows alone", () => {
    expect(ids(merged([], page([row("a", 1)], null), of, 1).newer)).toEqual(["a"]);
  });
});
