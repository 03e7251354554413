/** Which charts are shown as tables: `all`, or their names, as the address has them. */

export function isTable(value: string | null, id: string): boolean {
  return value === "all" || (value ?? "").split(",").includes(id);
}

/** The address after one chart was switched. From `all`, the others are charts again. */
export function toggled(value: string | null, id: string): string | null {
  if (value === "all") return null;
  const names = (value ?? "").split(",").filter(Boolean);
  const next = names.includes(id) ? names.filter((name) => name !== id) : [...names, id];
  return next.join(",") || null;
}
