/**
 * Where the page and the API are. The files of the page are at `<base>/traces/assets/`, so the address of the document's
 * stylesheet or script gives the base, whatever stage or domain is in front of it.
 */
export function baseOf(path: string): string {
  const end = path.lastIndexOf("/traces/assets/");
  return end < 0 ? "" : path.slice(0, end);
}

/** The path in front of `/traces` and `/api`, without a slash at its end: empty, or such as `/prod`. */
export const BASE: string = baseOf(new URL(import.meta.url).pathname);

/** The path of a route of the API. */
export const api = (path: string): string => BASE + path;

/** Whether a host is this machine, as that of a local server. */
export const isLocal = (host: string): boolean => ["127.0.0.1", "localhost", "[::1]"].includes(host);
