/** Where the pointer is on any chart: all charts show the same time, and the same part while it is dragged over. */

class Pointer {
  /** A time in milliseconds; null when the pointer is on no chart. */
  time = $state<number | null>(null);
  /** The part that is being chosen. */
  chosen = $state.raw<{ start: number; end: number } | null>(null);
}

export const pointer = new Pointer();
