/**
 * What the browser keeps for the page. It may refuse: where a reader blocks the data of sites, each access throws, and a
 * full storage takes nothing more. What is refused is kept for as long as the page is open.
 */

export class SafeStorage {
  readonly #refused = new Map<string, string>();
  readonly #storage: () => Storage;

  /** `storage` returns the browser's: already its name may throw. */
  constructor(storage: () => Storage) {
    this.#storage = storage;
  }

  get(key: string): string | null {
    const refused = this.#refused.get(key);
    if (refused !== undefined) return refused;
    try {
      return this.#storage().getItem(key);
    } catch {
      return null;
    }
  }

  /** The JSON under a key; null for a text that is none, such as that of another version of the page. */
  json<T>(key: string): T | null {
    try {
      return JSON.parse(this.get(key) ?? "null") as T | null;
    } catch {
      return null;
    }
  }

  set(key: string, value: string): void {
    try {
      this.#storage().setItem(key, value);
      this.#refused.delete(key);
    } catch {
      this.#refused.set(key, value);
    }
  }

  remove(key: string): void {
    this.#refused.delete(key);
    try {
      this.#storage().removeItem(key);
    } catch {
      // The browser keeps nothing that would have to be removed.
    }
  }
}

/** Until the tab is closed. */
export const tabStorage = new SafeStorage(() => sessionStorage);

/** Until the reader removes it. */
export const browserStorage = new SafeStorage(() => localStorage);
