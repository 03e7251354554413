/** Keys of the page: each view registers what its keys do, and `?` lists all that work at the moment. */

import { untrack } from "svelte";
import { browserStorage } from "./storage.ts";

export interface Shortcut {
  /** Names of keys as in `KeyboardEvent.key`; two keys one after the other are written `g t`. */
  keys: readonly string[];
  label: string;
  group: string;
  run: (event: KeyboardEvent) => void;
}

const STORAGE_KEY = "tracestore.letters";
const SEQUENCE_MS = 1200;

class Keyboard {
  /** The shortcuts of all views that are shown, the innermost last. */
  scopes = $state.raw<readonly (readonly Shortcut[])[]>([]);

  /** Whether single letters are shortcuts. Screen readers and speech input may need them off. */
  letters = $state(browserStorage.get(STORAGE_KEY) !== "off");

  #prefix = "";
  #prefixTime = 0;

  /** Add the shortcuts of a view, from within an effect. *returns* what removes them again. */
  register(shortcuts: readonly Shortcut[]): () => void {
    untrack(() => (this.scopes = [...this.scopes, shortcuts]));
    return () => {
      this.scopes = this.scopes.filter((scope) => scope !== shortcuts);
    };
  }

  setLetters(on: boolean): void {
    this.letters = on;
    browserStorage.set(STORAGE_KEY, on ? "on" : "off");
  }

  handle(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.isComposing) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target instanceof Element ? event.target : null;
    if (document.querySelector("dialog:modal")) return; // its own keys are the browser's
    if (target?.closest("input, textarea, select, [contenteditable]") && event.key !== "Escape") return;
    const native = event.key === "Enter" || event.key === " ";
    if (native && target?.closest("button, a, summary, [role=option]")) return;
    const isLetter = event.key.length === 1 && event.key !== " ";
    if (isLetter && !this.letters) return;
    const now = event.timeStamp;
    const sequence =
      this.#prefix && now - this.#prefixTime < SEQUENCE_MS ? `${this.#prefix} ${event.key}` : "";
    this.#prefix = "";
    const shortcut = (sequence && this.#find(sequence)) || this.#find(event.key);
    if (shortcut) {
      event.preventDefault();
      shortcut.run(event);
    } else if (isLetter && this.#isPrefix(event.key)) {
      this.#prefix = event.key;
      this.#prefixTime = now;
    }
  }

  #find(keys: string): Shortcut | undefined {
    for (const scope of this.scopes.toReversed()) {
      const found = scope.find((shortcut) => shortcut.keys.includes(keys));
      if (found) return found;
    }
    return undefined;
  }

  #isPrefix(key: string): boolean {
    return this.scopes.flat().some((shortcut) => shortcut.keys.some((keys) => keys.startsWith(`${key} `)));
  }
}

export const keyboard = new Keyboard();
