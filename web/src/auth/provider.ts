/**
 * Signing in with the identity provider: the authorization code flow of OpenID Connect with PKCE.
 *
 * This module is loaded only where it is needed. The library checks the state and the nonce; the API alone checks the
 * token itself. What the flow has to remember is in `sessionStorage`, so that it ends with the tab.
 */

import { ErrorResponse, OidcClient, WebStorageStateStore, type RefreshState } from "oidc-client-ts";
import { api } from "../base.ts";
import type { Oidc } from "./configuration.svelte.ts";
import type { Refresh } from "./session.svelte.ts";

const MESSAGE_MAX = 200;

export interface SignedIn {
  credential: string;
  refresh: Refresh | null;
  /** The address at which the reader was. */
  address: string;
}

interface Tokens {
  access_token: string;
  id_token?: string | undefined;
  refresh_token?: string | undefined;
  scope?: string | undefined;
}

function clientOf(oidc: Oidc): OidcClient {
  return new OidcClient({
    authority: oidc.issuer,
    client_id: oidc.client_id,
    scope: oidc.scope,
    redirect_uri: location.origin + api("/traces/callback"),
    response_type: "code",
    loadUserInfo: false,
    stateStore: new WebStorageStateStore({ prefix: "tracestore.oidc.", store: sessionStorage }),
    fetchRequestCredentials: "omit",
    requestTimeoutInSeconds: 20,
  });
}

/** Leave for the provider. The reader comes back to `address`. */
export async function leave(oidc: Oidc, address: string): Promise<void> {
  const client = clientOf(oidc);
  await client.clearStaleState();
  const request = await client.createSigninRequest({ state: { address }, nonce: crypto.randomUUID() });
  location.assign(request.url);
}

/**
 * Complete the flow at the address to which the provider has led back.
 * @throws Error when the state is not one of this tab, or the provider refuses.
 */
export async function complete(oidc: Oidc, url: string): Promise<SignedIn> {
  const response = await clientOf(oidc).processSigninResponse(url);
  const { address } = response.userState as { address: string };
  return { ...chosen(oidc, response), address };
}

/**
 * Get a new token without the reader.
 * @throws Error when the provider refuses, as after the end of its own session.
 */
export async function renew(oidc: Oidc, refresh: Refresh): Promise<Omit<SignedIn, "address">> {
  const state = { ...refresh, session_state: null, profile: {} } as RefreshState;
  const response = await clientOf(oidc).useRefreshToken({ state });
  if (oidc.token === "id" && response.id_token === refresh.id_token)
    throw new Error("The provider renewed the access token alone.");
  return chosen(oidc, { ...response, refresh_token: response.refresh_token ?? refresh.refresh_token });
}

/** A sentence about a failure, in the provider's words where it has some. */
export function explain(failure: unknown): string {
  if (failure instanceof ErrorResponse) {
    const words = (failure.error_description ?? failure.error ?? "").slice(0, MESSAGE_MAX).replace(/\.$/, "");
    return `The identity provider refused: ${words}.`;
  }
  if (failure instanceof TypeError) return "The identity provider cannot be reached from this page.";
  return "The answer of the identity provider does not belong to a sign-in that began in this tab.";
}

function chosen(oidc: Oidc, tokens: Tokens): Omit<SignedIn, "address"> {
  const credential = oidc.token === "id" ? tokens.id_token : tokens.access_token;
  if (!credential) throw new Error(`The provider returned no ${oidc.token} token.`);
  const { refresh_token, scope, id_token } = tokens;
  if (!refresh_token) return { credential, refresh: null };
  const refresh: Refresh = { refresh_token };
  if (scope !== undefined) refresh.scope = scope;
  if (id_token !== undefined) refresh.id_token = id_token;
  return { credential, refresh };
}
