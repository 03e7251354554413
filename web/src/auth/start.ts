/** What happens before the page is shown: a token in the fragment signs in, and leaves the address at once. */

import { session } from "./session.svelte.ts";

export async function start(): Promise<void> {
  const token = /^#token=(.+)$/.exec(location.hash)?.[1];
  if (!token) return;
  history.replaceState(null, "", location.pathname + location.search);
  session.use(decodeURIComponent(token));
}
