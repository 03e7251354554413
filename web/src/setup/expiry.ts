/** Times at which a key expires, counted from now. */

const DAY = 86_400_000;

export const EXPIRIES: Record<string, { label: string; days: number | null }> = {
  never: { label: "Never", days: null },
  "7d": { label: "In 7 days", days: 7 },
  "30d": { label: "In 30 days", days: 30 },
  "90d": { label: "In 90 days", days: 90 },
  "365d": { label: "In a year", days: 365 },
};

/** The time for a choice, as the API takes it; null for a key that does not expire. */
export function expiryOf(choice: string, now: number): string | null {
  const days = EXPIRIES[choice]?.days ?? null;
  return days === null ? null : new Date(now + days * DAY).toISOString();
}
