/** The traces that a reader opened last, by id and name, for the palette. */

const STORAGE_KEY = "tracestore.recent";
const KEPT = 12;

export interface Recent {
  id: string;
  name: string;
}

export function recentTraces(owner: string): Recent[] {
  try {
    const kept = JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? "{}") as Record<string, Recent[]>;
    return kept[owner] ?? [];
  } catch {
    return [];
  }
}

export function rememberTrace(owner: string, trace: Recent): void {
  const list = [trace, ...recentTraces(owner).filter((one) => one.id !== trace.id)].slice(0, KEPT);
  sessionStorage.setItem(STORAGE_KEY, JSON.stringify({ [owner]: list }));
}
