/** Renews the token of a signed-in reader shortly before it expires, where the provider has given a refresh token. */

import { queryClient } from "../api/queries.ts";
import { load } from "../lib/load.ts";
import { configuration } from "./configuration.svelte.ts";
import { claimsOf, session } from "./session.svelte.ts";

/** Long enough for the clocks of two machines to differ. */
const EARLY_MS = 60_000;
const SOONEST_MS = 5_000;
const LATEST_MS = 2 ** 31 - 1;

let timer: ReturnType<typeof setTimeout> | undefined;

/** Renew from now on, if that is possible. */
export function keepSignedIn(): void {
  clearTimeout(timer);
  session.renew = null;
  if (session.credential === null || session.refresh === null) return;
  session.renew = renewed;
  const expiry = claimsOf(session.credential)?.exp;
  if (typeof expiry !== "number") return; // opaque: renewed when the API refuses it
  const wait = Math.max(SOONEST_MS, expiry * 1000 - Date.now() - EARLY_MS);
  timer = setTimeout(() => void session.renew?.(), Math.min(wait, LATEST_MS));
}

/** Repeat the requests that were refused with the former credential. */
export function retryRefused(): void {
  void queryClient.refetchQueries({ predicate: (query) => query.state.status === "error" });
}

async function renewed(): Promise<boolean> {
  const { credential, refresh } = session;
  if (refresh === null) return false;
  try {
    await configuration.load();
    if (!configuration.oidc) return false;
    const provider = await load(() => import("./provider.ts"));
    const next = await provider.renew(configuration.oidc, refresh);
    if (session.credential !== credential) return true; // signed out, or in again, meanwhile
    session.use(next.credential, next.refresh);
    keepSignedIn();
    retryRefused();
    return true;
  } catch {
    return false;
  }
}
