/** The time zone in which times are shown: the reader's, or UTC. */

import { browserStorage } from "./storage.ts";

const STORAGE_KEY = "tracestore.zone";
const LOCAL = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

class Zone {
  name = $state(browserStorage.get(STORAGE_KEY) === "UTC" ? "UTC" : LOCAL);

  /** `Berlin, UTC+1` */
  readonly label = $derived(this.#label(new Date()));

  readonly #formats = $derived({
    full: this.#format({
      year: "numeric",
      month: "short",
      day: "numeric",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      fractionalSecondDigits: 3,
    }),
    short: this.#format({ month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }),
    clock: this.#format({ hour: "2-digit", minute: "2-digit", second: "2-digit" }),
    minute: this.#format({ hour: "2-digit", minute: "2-digit" }),
    day: this.#format({ month: "short", day: "numeric" }),
  });

  toggle(): void {
    this.name = this.name === "UTC" ? LOCAL : "UTC";
    browserStorage.set(STORAGE_KEY, this.name === "UTC" ? "UTC" : "local");
  }

  /** A time in this zone. *full* has milliseconds, *clock* only the time of day. */
  show(time: string | number, form: "full" | "short" | "clock" | "minute" | "day" = "short"): string {
    return this.#formats[form].format(typeof time === "number" ? time : Date.parse(time));
  }

  #format(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
    return new Intl.DateTimeFormat("en-GB", { ...options, timeZone: this.name, hourCycle: "h23" });
  }

  #label(at: Date): string {
    if (this.name === "UTC") return "UTC";
    const parts = new Intl.DateTimeFormat("en-GB", {
      timeZone: this.name,
      timeZoneName: "shortOffset",
    }).formatToParts(at);
    const offset = parts.find((part) => part.type === "timeZoneName")?.value.replace("GMT", "UTC") ?? "";
    const city = this.name.split("/").at(-1)?.replaceAll("_", " ") ?? this.name;
    return `${city}, ${offset}`;
  }
}

export const zone = new Zone();
