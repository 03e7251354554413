/**
 * What happens before the page is shown: a token in the fragment signs in and leaves the address at once, and the
 * provider's answer is taken at `/traces/callback`. The fragment of a share stays, so that a reload reads it again.
 */

import { unreachable } from "../api/errors.ts";
import { api, isLocal } from "../base.ts";
import { load } from "../lib/load.ts";
import { refusalOf } from "./check.ts";
import { configuration } from "./configuration.svelte.ts";
import { keepSignedIn } from "./renewal.ts";
import { session } from "./session.svelte.ts";

export async function start(): Promise<void> {
  if (location.pathname === api("/traces/shared")) {
    session.share = /^#(tss_[\w-]+)$/.exec(location.hash)?.[1] ?? null;
    keepIcon();
    return; // the reader of a share need not sign in, and keeps a session of this tab
  }
  takeToken();
  keepIcon();
  if (location.pathname === api("/traces/callback")) {
    await comeBack();
  } else if (session.signedIn) {
    void configuration.load();
  } else {
    await configuration.load();
  }
  keepSignedIn();
}

/** Leave for the identity provider, and come back to the present address. */
export async function signInWithProvider(): Promise<void> {
  session.problem = null;
  await configuration.load();
  if (!configuration.oidc) {
    session.problem = unreachable().message;
    return;
  }
  const path = location.pathname === api("/traces/callback") ? api("/traces") : location.pathname;
  try {
    const provider = await load(() => import("./provider.ts"));
    await provider.leave(configuration.oidc, path + location.search + location.hash);
  } catch {
    session.problem = "The identity provider cannot be reached from this page.";
  }
}

function takeToken(): void {
  const token = /^#token=(.+)$/.exec(location.hash)?.[1];
  if (!token) return;
  history.replaceState(null, "", location.pathname + location.search);
  // Elsewhere, a link could sign a reader in as somebody else.
  if (isLocal(location.hostname)) session.use(token);
}

/** The address of the icon is relative to that of the document, which changes without a load. */
function keepIcon(): void {
  const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]");
  if (icon) icon.href = new URL(icon.href).href;
}

async function comeBack(): Promise<void> {
  const url = location.href;
  let address = api("/traces");
  history.replaceState(null, "", address); // the code may be used once, and not by another reload
  await configuration.load();
  if (configuration.oidc && new URL(url).search) {
    let provider: typeof import("./provider.ts") | null = null;
    try {
      provider = await load(() => import("./provider.ts"));
      const answer = await provider.complete(configuration.oidc, url);
      address = answer.address;
      const refusal = await refusalOf(answer.credential);
      if (refusal === null) session.use(answer.credential, answer.refresh);
      else session.problem = `The identity provider has signed you in, but the API refused: ${refusal}`;
    } catch (failure) {
      session.problem = `You are not signed in. ${provider?.explain(failure) ?? "A file of the page did not arrive."} Try again.`;
    }
  }
  history.replaceState(null, "", address);
  dispatchEvent(new PopStateEvent("popstate")); // the address has changed since the router has read it
}
