/** Light, dark, or as the system has it. */

import { browserStorage } from "./storage.ts";

const STORAGE_KEY = "tracestore.theme";
const CHOICES = ["system", "light", "dark"] as const;
type Choice = (typeof CHOICES)[number];

class Theme {
  choice = $state<Choice>(CHOICES.find((choice) => choice === browserStorage.get(STORAGE_KEY)) ?? "system");

  constructor() {
    this.#apply();
  }

  next(): void {
    this.choice = CHOICES[(CHOICES.indexOf(this.choice) + 1) % CHOICES.length] as Choice;
    browserStorage.set(STORAGE_KEY, this.choice);
    this.#apply();
  }

  #apply(): void {
    if (this.choice === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.choice;
  }
}

export const theme = new Theme();
