/** Whether long lines of stored texts and JSON are wrapped. Kept in the browser. */

const STORAGE_KEY = "tracestore.wrap";

class Wrapping {
  on = $state(localStorage.getItem(STORAGE_KEY) !== "off");

  toggle(): void {
    this.on = !this.on;
    localStorage.setItem(STORAGE_KEY, this.on ? "on" : "off");
  }
}

export const wrapping = new Wrapping();
