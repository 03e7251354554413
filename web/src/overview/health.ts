/** The health of a provider's models, as far as its own state does not say it. */

import type { Provider } from "./answers.ts";

const WORSE = { healthy: 0, degraded: 1, down: 2 } as const;

const SHOWN = 4;

/**
 * The models that are worse than their provider, the one with most calls first: a provider may be healthy by its last hour
 * while its main model is not.
 */
export function modelNotes(provider: Provider): Provider["models"] {
  return provider.models
    .filter((model) => WORSE[model.state] > WORSE[provider.state])
    .toSorted((a, b) => b.totals.calls - a.totals.calls)
    .slice(0, SHOWN);
}
