/** Who reads: the credential, kept for this tab alone, and how to get another one when it expires. */

import { tabStorage } from "../lib/storage.ts";

const STORAGE_KEY = "tracestore.credential";
const TEAM_KEY = `${STORAGE_KEY}.team`;
const REFRESH_KEY = `${STORAGE_KEY}.refresh`;

/** A credential that was refused this soon would be refused again after a renewal. */
const TOO_NEW_MS = 10_000;

/** What a provider needs to renew a token. */
export interface Refresh {
  refresh_token: string;
  scope?: string;
  id_token?: string;
}

/** The claims of a JWT, unverified: the API verifies them. Null for any other credential. */
export function claimsOf(credential: string): Record<string, unknown> | null {
  const [, payload, signature] = credential.split(".");
  if (!payload || !signature) return null;
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (character) =>
      character.charCodeAt(0),
    );
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return claims !== null && typeof claims === "object" ? (claims as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** What stays the same when the credential of one person is renewed. */
function personOf(credential: string): string {
  const claims = claimsOf(credential);
  return claims?.sub ? `${String(claims.iss)} ${String(claims.sub)}` : credential;
}

class Session {
  /** The secret of the share that is read, which no storage keeps: the fragment of the address has it. */
  share = $state<string | null>(null);

  /** A JWT or an API key; null while signed out. */
  credential = $state<string | null>(tabStorage.get(STORAGE_KEY));

  /** Whether the API has refused the credential: a dialog then asks for another one over the unharmed page. */
  expired = $state(false);

  /** Why signing in did not succeed; null unless it has just failed. */
  problem = $state<string | null>(null);

  /** The team acted for, or null. */
  team = $state<string | null>(tabStorage.get(TEAM_KEY));

  /** Renews the credential without the reader, and returns whether that was possible; null where it never is. */
  renew: (() => Promise<boolean>) | null = null;

  #renewing: Promise<void> | null = null;
  #since = 0;

  get signedIn(): boolean {
    return this.credential !== null;
  }

  get refresh(): Refresh | null {
    return tabStorage.json<Refresh>(REFRESH_KEY);
  }

  /** What distinguishes the data of one owner from that of another in caches. */
  get owner(): string {
    if (this.share !== null) return `share ${this.share}`;
    return `${this.credential === null ? "" : personOf(this.credential)}\n${this.team ?? ""}`;
  }

  get headers(): Record<string, string> {
    if (this.share !== null) return { authorization: `Bearer ${this.share}` };
    if (this.credential === null) return {};
    return {
      authorization: `Bearer ${this.credential}`,
      ...(this.team === null ? {} : { "x-tracestore-owner": this.team }),
    };
  }

  /** Read with this credential from now on. The team stays for the same person alone. */
  use(credential: string, refresh: Refresh | null = null): void {
    if (this.credential !== null && personOf(this.credential) !== personOf(credential)) this.actFor(null);
    this.credential = credential;
    this.expired = false;
    this.problem = null;
    this.#since = Date.now();
    tabStorage.set(STORAGE_KEY, credential);
    if (refresh === null) tabStorage.remove(REFRESH_KEY);
    else tabStorage.set(REFRESH_KEY, JSON.stringify(refresh));
  }

  /** Act for a team that the token lists, or for the user (null). */
  actFor(team: string | null): void {
    this.team = team;
    if (team === null) tabStorage.remove(TEAM_KEY);
    else tabStorage.set(TEAM_KEY, team);
  }

  /** The API has refused the credential. The reader is asked only where it cannot be renewed. */
  rejected(): void {
    if (this.share !== null || this.credential === null || this.#renewing) return;
    if (!this.renew || Date.now() - this.#since < TOO_NEW_MS) {
      this.expired = true;
      return;
    }
    this.#renewing = this.renew().then((renewed) => {
      this.#renewing = null;
      if (!renewed) this.expired = true;
    });
  }

  signOut(): void {
    this.credential = null;
    this.expired = false;
    this.problem = null;
    this.renew = null;
    this.actFor(null);
    tabStorage.remove(STORAGE_KEY);
    tabStorage.remove(REFRESH_KEY);
  }
}

export const session = new Session();
