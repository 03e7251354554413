/** Whether long lines of stored texts and JSON are wrapped. Kept in the browser. */

import { browserStorage } from "./storage.ts";

const STORAGE_KEY = "tracestore.wrap";

class Wrapping {
  on = $state(browserStorage.get(STORAGE_KEY) !== "off");

  toggle(): void {
    this.on = !this.on;
    browserStorage.set(STORAGE_KEY, this.on ? "on" : "off");
  }
}

export const wrapping = new Wrapping();
