/** API keys: requests, and the secrets of keys just created, which exist nowhere else. */

import { session } from "../auth/session.svelte.ts";
import { change, get } from "../api/http.ts";
import { queryClient } from "../api/queries.ts";
import type { ApiKey } from "../api/types.ts";

export type Scope = ApiKey["scopes"][number];

export interface CreatedKey extends ApiKey {
  secret: string;
}

export const SCOPES: Record<Scope, string> = {
  ingest: "send traces",
  read: "read traces",
  delete: "delete traces",
  annotate: "write annotations",
};

export const keysQuery = () => ({
  queryKey: [session.owner, "keys"],
  queryFn: async ({ signal }: { signal: AbortSignal }) =>
    (await get<{ keys: ApiKey[] }>("/api/keys", {}, signal)).keys,
});

class Keys {
  #created = $state.raw<readonly { owner: string; key: CreatedKey }[]>([]);

  /** Keys created in this tab since it was opened, until the reader has put them away; the latest first. */
  get created(): CreatedKey[] {
    return this.#created.filter(({ owner }) => owner === session.owner).map(({ key }) => key);
  }

  /** The secret to fill into what is copied. */
  secretWith(scope: Scope): string | null {
    return this.created.find((key) => key.scopes.includes(scope))?.secret ?? null;
  }

  async create(name: string, scopes: readonly Scope[], expiresAt: string | null): Promise<CreatedKey> {
    const { owner } = session;
    const body = { name, scopes, ...(expiresAt === null ? {} : { expires_at: expiresAt }) };
    const key = (await change<{ data: CreatedKey }>("POST", "/api/keys", {}, body)).data;
    this.#created = [{ owner, key }, ...this.#created];
    void queryClient.invalidateQueries({ queryKey: keysQuery().queryKey });
    return key;
  }

  async revoke(id: string): Promise<void> {
    await change("DELETE", `/api/keys/${encodeURIComponent(id)}`);
    this.putAway(id);
    void queryClient.invalidateQueries({ queryKey: keysQuery().queryKey });
  }

  /** Forget a secret. */
  putAway(id: string): void {
    this.#created = this.#created.filter(({ key }) => key.key_id !== id);
  }
}

export const keys = new Keys();
