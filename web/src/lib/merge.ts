/** What a poll changes in a list. */

export interface Page<Row> {
  rows: readonly Row[];
  next_cursor: string | null;
  /** How far back filters have looked; null at the end. */
  scanned_to: string | null;
}

/** What distinguishes the rows of a list, and what orders them, the newest first. */
export interface Rows<Row> {
  id: (row: Row) => string;
  /** A position that grows with time, as a text or a number. */
  position: (row: Row) => string | number;
  /** What a row looks like: another text when it has changed. */
  version: (row: Row) => string;
}

/**
 * The rows with the news of the first page: changed ones in place, and without those that are gone, as far as the page
 * reaches. Rows that began after the first one are returned separately.
 */
export function merged<Row>(
  rows: readonly Row[],
  head: Page<Row>,
  { id, position, version }: Rows<Row>,
  reach: string | number | null,
): { rows: Row[]; newer: Row[] } {
  const news = new Map(head.rows.map((row) => [id(row), row]));
  const shown = new Set(rows.map(id));
  const isBeyond = (row: Row): boolean =>
    head.next_cursor !== null && (reach === null || position(row) <= reach);
  let kept = rows
    .filter((row) => news.has(id(row)) || isBeyond(row))
    .map((row) => {
      const now = news.get(id(row));
      return now !== undefined && version(now) !== version(row) ? now : row;
    });
  const fresh = head.rows.filter((row) => !shown.has(id(row)));
  const first = rows[0];
  const isNewer = (row: Row): boolean => first === undefined || position(row) > position(first);
  const late = fresh.filter((row) => !isNewer(row));
  if (late.length) {
    kept = [...kept, ...late].sort((a, b) =>
      position(a) < position(b) ? 1 : position(a) > position(b) ? -1 : 0,
    );
  }
  return { rows: kept, newer: fresh.filter(isNewer) };
}
