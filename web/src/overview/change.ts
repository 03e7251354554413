/** How a figure differs from that of the range before, in signs and in words. */

import { percent } from "../lib/format.ts";

export interface Change {
  /** `+12 %`, `−3 %`, `+2.1 points`, `as before`, `none before`. */
  text: string;
  /** 1 for more, −1 for less, 0 for neither. */
  direction: -1 | 0 | 1;
}

/** A change of less than this share is none. */
const NOTICED = 0.005;

/** *absent*: null when one of the two is unknown. */
export function changeOf(value: number | null, before: number | null): Change | null {
  if (value === null || before === null) return null;
  if (before === 0) return value === 0 ? SAME : { text: "none before", direction: 0 };
  const share = value / before - 1;
  if (Math.abs(share) < NOTICED) return SAME;
  if (share >= 9.5) return { text: `${Math.round(value / before)} times`, direction: 1 };
  return signed(share, percent(Math.abs(share)));
}

/** The change of a share in percentage points. */
export function pointsOf(share: number | null, before: number | null): Change | null {
  if (share === null || before === null) return null;
  const points = (share - before) * 100;
  if (Math.abs(points) < 0.05) return SAME;
  return signed(points, `${Math.abs(points).toFixed(1)} points`);
}

const SAME: Change = { text: "as before", direction: 0 };

const signed = (value: number, text: string): Change => ({
  text: `${value > 0 ? "+" : "−"}${text}`,
  direction: value > 0 ? 1 : -1,
});
