/** Differences of numbers, with their sign and their share. */

import { percent } from "../lib/format.ts";

export interface Delta {
  /** `+1.20 s` */
  text: string;
  /** `+30 %`; empty where there is none. */
  share: string;
  sign: -1 | 0 | 1;
}

/** How `b` differs from `a`. *absent*: null where one of them is unknown. */
export function deltaOf(
  a: number | null | undefined,
  b: number | null | undefined,
  show: (value: number) => string,
): Delta | null {
  if (a === null || a === undefined || b === null || b === undefined) return null;
  const value = b - a;
  if (Math.abs(value) < 1e-12) return { text: "±0", share: "", sign: 0 };
  const sign = value > 0 ? "+" : "−";
  return {
    text: `${sign}${show(Math.abs(value))}`,
    share: a ? `${sign}${percent(Math.abs(value / a))}` : "",
    sign: value > 0 ? 1 : -1,
  };
}

/** One value of a JSON document. */
export interface Field {
  path: string;
  a: string | null;
  b: string | null;
}

const DIFFERENCES_MAX = 400;
const DEPTH_MAX = 12;

/** The values in which two JSON documents differ, by their path: the first few hundred of them. */
export function fieldsDifference(a: unknown, b: unknown): Field[] {
  const [left, right] = [flat(a), flat(b)];
  return [...new Set([...left.keys(), ...right.keys()])]
    .filter((path) => left.get(path) !== right.get(path))
    .slice(0, DIFFERENCES_MAX)
    .map((path) => ({ path, a: left.get(path) ?? null, b: right.get(path) ?? null }));
}

/** All values of a document as texts, by their path. Those below many levels are one value. */
function flat(value: unknown): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (inner: unknown, path: string, depth: number): void => {
    if (inner === undefined) return;
    const isObject = typeof inner === "object" && inner !== null && !Object.hasOwn(inner, "source");
    const entries = isObject ? Object.entries(inner as object) : [];
    if (!entries.length || depth > DEPTH_MAX) {
      if (path || !isObject)
        found.set(path || "value", typeof inner === "string" ? inner : (JSON.stringify(inner) ?? ""));
      return;
    }
    for (const [name, child] of entries) walk(child, path ? `${path}.${name}` : name, depth + 1);
  };
  if (value !== null && value !== undefined) walk(value, "", 0);
  return found;
}
