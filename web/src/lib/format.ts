/** Numbers and times as people read them. Every number also has its full value, for a title or a popover. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `1.90 s`, `340 ms`, `4.6 µs`, `2m 05s`, `3h 20m`, `2.4 d`; `–` when unknown. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "–";
  if (ms === 0) return "0 ms";
  if (ms > 0 && ms < 0.9995) return `${significant(ms * 1000, ms < 0.1 ? 2 : 3)} µs`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9_995) return `${(ms / SECOND).toFixed(2)} s`;
  if (ms < 59_950) return `${(ms / SECOND).toFixed(1)} s`;
  const seconds = Math.round(ms / SECOND);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${String(seconds % 60).padStart(2, "0")}s`;
  const minutes = Math.round(ms / MINUTE);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, "0")}m`;
  return `${(ms / DAY).toFixed(1)} d`;
}

const WHOLE = new Intl.NumberFormat("en-US");

/** `12,408` */
export function whole(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : WHOLE.format(value);
}

/** `943`, `12.4k`, `1.2M`, for a place where the whole number has no room. */
export function compact(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (value < 9_995) return WHOLE.format(value);
  if (value < 999_500) return `${significant(value / 1000, 3)}k`;
  return `${significant(value / 1e6, 3)}M`;
}

function significant(value: number, digits = 2): string {
  return String(Number(value.toPrecision(digits)));
}

/**
 * Dollars with two significant digits below a dollar, cents above, and millionths of a dollar where there would be four
 * zeros: `63 µ$`, `$0.00012`, `$0.034`, `$12.40`. `?` when unknown: an unknown cost is not $0.
 */
export function cost(dollars: number | null | undefined): string {
  if (dollars === null || dollars === undefined) return "?";
  if (dollars === 0) return "$0";
  if (dollars >= 0.995)
    return `$${dollars.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  if (dollars < 0.0000995) return `${decimal(Number((dollars * 1e6).toPrecision(2)))} µ$`;
  return `$${decimal(Number(dollars.toPrecision(2)))}`;
}

/** A cost on an axis whose steps have these decimals, as all others there: `$0.002`, `$1.50`, `$12`, `200 µ$`. */
export function costTick(dollars: number, decimals: number): string {
  if (dollars === 0) return "$0";
  if (decimals > 4) return `${(dollars * 1e6).toFixed(Math.max(0, decimals - 6))} µ$`;
  const digits = decimals === 1 ? 2 : decimals;
  return `$${dollars.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

/** Dollars in full, to the nano-dollar. */
export function exactCost(dollars: number | null | undefined): string {
  return dollars === null || dollars === undefined ? "unknown" : `$${decimal(dollars)}`;
}

/** A number without an exponent, with up to 9 decimals. */
function decimal(value: number): string {
  return value.toFixed(9).replace(/\.?0+$/, "");
}

export function percent(share: number): string {
  const value = share * 100;
  return `${value === 0 || value >= 9.95 ? Math.round(value) : significant(value)} %`;
}

export function bytes(size: number): string {
  if (size < 1000) return `${size} B`;
  if (size < 999_500) return `${significant(size / 1000, 3)} KB`;
  return `${significant(size / 1e6, 3)} MB`;
}

/** `3 s ago`, `12 min ago`, `5 h ago`, `3 d ago`, or `in 29 d`. */
export function relative(time: string | number, now: number): string {
  const at = typeof time === "number" ? time : Date.parse(time);
  const ms = Math.abs(now - at);
  const amount =
    ms < 45 * SECOND
      ? `${Math.round(ms / SECOND)} s`
      : ms < 59.5 * MINUTE
        ? `${Math.max(1, Math.round(ms / MINUTE))} min`
        : ms < 23.5 * HOUR
          ? `${Math.max(1, Math.round(ms / HOUR))} h`
          : `${Math.max(1, Math.round(ms / DAY))} d`;
  return at <= now ? `${amount} ago` : `in ${amount}`;
}

/** `1 span`, `3 spans` */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${whole(count)} ${count === 1 ? one : many}`;
}

const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * A stored text with its control characters made visible, those that turn the direction of what follows among them:
 * `⟨U+202E⟩`. Line breaks and tabs stay.
 */
export function visible(text: string): string {
  return text.replace(CONTROLS, (character) =>
    character === "\r" ? "" : `⟨U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`,
  );
}
