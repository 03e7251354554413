/** What a reader has opened and closed: it stays so, also after another view or a reload, for as long as the tab lives. */

import { getContext, setContext } from "svelte";
import { tabStorage } from "./storage.ts";

/** So many of the last changes are kept. */
const KEPT = 2000;

export class Opened {
  toggled = $state.raw<ReadonlyMap<string, boolean>>(new Map());
  readonly #storageKey: string | null;

  /** `storageKey` null keeps nothing beyond this object. */
  constructor(storageKey: string | null = null) {
    this.#storageKey = storageKey;
    const kept = storageKey === null ? null : tabStorage.json<[string, boolean][]>(storageKey);
    if (kept) this.toggled = new Map(kept);
  }

  /** Whether something is open; `otherwise` if the reader has not touched it. */
  has(key: string, otherwise = false): boolean {
    return this.toggled.get(key) ?? otherwise;
  }

  set(key: string, open: boolean): void {
    const next = new Map(this.toggled);
    next.delete(key); // the last change is at the end
    this.replace(next.set(key, open));
  }

  replace(toggled: ReadonlyMap<string, boolean>): void {
    this.toggled = toggled;
    if (this.#storageKey !== null)
      tabStorage.set(this.#storageKey, JSON.stringify([...toggled].slice(-KEPT)));
  }
}

const CONTEXT = Symbol("opened");

/** Keep what is opened in the contents below this component. */
export const keepOpened = (opened: Opened): Opened => setContext(CONTEXT, opened);

/** What is opened in the contents around this component; an object of its own without a place, or where nothing is kept. */
export const openedAt = (place: string | undefined): Opened =>
  (place === undefined ? undefined : getContext<Opened | undefined>(CONTEXT)) ?? new Opened();
