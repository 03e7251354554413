/** The present time, for ages such as "3 min ago": it moves every few seconds while the page is visible. */

const STEP_MS = 5000;

class Clock {
  now = $state(Date.now());

  constructor() {
    setInterval(() => {
      if (document.visibilityState === "visible") this.now = Date.now();
    }, STEP_MS);
    document.addEventListener("visibilitychange", () => (this.now = Date.now()));
  }
}

export const clock = new Clock();
