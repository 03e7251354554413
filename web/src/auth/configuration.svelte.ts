/** The public configuration of the deployment. */

import { api } from "../base.ts";

/** The identity provider with which people sign in. */
export interface Oidc {
  issuer: string;
  client_id: string;
  scope: string;
  /** The token that the API gets. */
  token: "access" | "id";
}

class Configuration {
  /** Null where readers paste a token or an API key. */
  oidc = $state.raw<Oidc | null>(null);

  /** The build of the page that the deployment serves; null before the answer. */
  version = $state<string | null>(null);

  retentionDays = $state<number | null>(null);

  #loaded: Promise<void> | null = null;

  /** Ask the deployment, once. Without an answer it is asked again by the next call. */
  load(): Promise<void> {
    this.#loaded ??= this.#ask().catch(() => {
      this.#loaded = null;
    });
    return this.#loaded;
  }

  async #ask(): Promise<void> {
    const response = await fetch(api("/traces/config.json"), { credentials: "omit" });
    if (!response.ok) throw new Error("There is no configuration.");
    const body = (await response.json()) as {
      oidc: Oidc | null;
      version: string | null;
      retention_days: number;
    };
    this.oidc = body.oidc;
    this.version = body.version;
    this.retentionDays = body.retention_days;
  }
}

export const configuration = new Configuration();
