/** The traces that a reader opened last, by id and name, for the palette. */

import { tabStorage } from "./storage.ts";

const STORAGE_KEY = "tracestore.recent";
const KEPT = 12;

export interface Recent {
  id: string;
  name: string;
}

export function recentTraces(owner: string): Recent[] {
  return tabStorage.json<Record<string, Recent[]>>(STORAGE_KEY)?.[owner] ?? [];
}

export function rememberTrace(owner: string, trace: Recent): void {
  const list = [trace, ...recentTraces(owner).filter((one) => one.id !== trace.id)].slice(0, KEPT);
  tabStorage.set(STORAGE_KEY, JSON.stringify({ [owner]: list }));
}
