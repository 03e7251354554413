/** Who reads: the credential, kept for this tab alone, and what it may do. */

const STORAGE_KEY = "tracestore.credential";

class Session {
  /** A JWT, an API key or the secret of a share; null while signed out. */
  credential = $state<string | null>(sessionStorage.getItem(STORAGE_KEY));

  /** Whether the API has refused the credential: a dialog then asks for another one over the unharmed page. */
  expired = $state(false);

  /** The team acted for, or null. */
  team = $state<string | null>(sessionStorage.getItem(`${STORAGE_KEY}.team`));

  get signedIn(): boolean {
    return this.credential !== null;
  }

  /** What distinguishes the data of one owner from that of another in caches. */
  get owner(): string {
    return `${this.credential ?? ""}\n${this.team ?? ""}`;
  }

  get headers(): Record<string, string> {
    if (this.credential === null) return {};
    return {
      authorization: `Bearer ${this.credential}`,
      ...(this.team === null ? {} : { "x-tracestore-owner": this.team }),
    };
  }

  use(credential: string): void {
    this.credential = credential;
    this.expired = false;
    sessionStorage.setItem(STORAGE_KEY, credential);
  }

  /** Act for a team that the token lists, or for the user (null). */
  actFor(team: string | null): void {
    this.team = team;
    if (team === null) sessionStorage.removeItem(`${STORAGE_KEY}.team`);
    else sessionStorage.setItem(`${STORAGE_KEY}.team`, team);
  }

  rejected(): void {
    if (this.credential !== null) this.expired = true;
  }

  signOut(): void {
    this.credential = null;
    this.expired = false;
    this.team = null;
    sessionStorage.removeItem(STORAGE_KEY);
    sessionStorage.removeItem(`${STORAGE_KEY}.team`);
  }
}

export const session = new Session();
