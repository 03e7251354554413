/** The address is the state of the page: its view and its parameters. */

import { BASE } from "../base.ts";

export type Route =
  | { view: "list" }
  | { view: "trace"; id: string }
  | { view: "conversations" }
  | { view: "conversation"; id: string }
  | { view: "lessons" }
  | { view: "lesson"; id: string }
  | { view: "overview" }
  | { view: "compare" }
  | { view: "shared" }
  | { view: "setup" }
  | { view: "callback" }
  | { view: "unknown" };

/** The views with one address, which is their name. */
const SINGLE: ReadonlySet<string> = new Set([
  "setup",
  "callback",
  "conversations",
  "overview",
  "compare",
  "shared",
]);

/** The view of a path, which begins with `/traces`. */
export function routeOf(path: string): Route {
  const [, root, first, ...rest] = path.split("/");
  if (root !== "traces") return { view: "unknown" };
  const id = rest.length === 1 && rest[0] ? safeDecode(rest[0]) : null;
  if (!first) return rest.length ? { view: "unknown" } : { view: "list" };
  if (first === "t" && id) return { view: "trace", id };
  if (first === "c" && id) {
    const inner = id.includes("%") ? safeDecode(id) : id;
    return inner === null ? { view: "unknown" } : { view: "conversation", id: inner };
  }
  if (first === "lessons") {
    if (!rest.length || (rest.length === 1 && !rest[0])) return { view: "lessons" };
    return id ? { view: "lesson", id } : { view: "unknown" };
  }
  if (SINGLE.has(first) && !rest.length) return { view: first } as Route;
  return { view: "unknown" };
}

/** The path of a view. */
export function pathOf(route: Route): string {
  switch (route.view) {
    case "trace":
      return `/traces/t/${encodeURIComponent(route.id)}`;
    case "conversation":
      return `/traces/c/${encodedId(route.id)}`;
    case "lesson":
      return `/traces/lessons/${encodeURIComponent(route.id)}`;
    case "list":
    case "unknown":
      return "/traces";
    default:
      return `/traces/${route.view}`;
  }
}

/**
 * An id of any characters as a segment of a path. API Gateway decodes a path before it finds the route, so an id with one
 * of its characters is encoded twice; every id with a percent sign is, so decoding is unambiguous.
 */
export const encodedId = (id: string): string =>
  /[%/?#]/.test(id) ? encodeURIComponent(encodeURIComponent(id)) : encodeURIComponent(id);

function safeDecode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

export type Parameters = Record<string, string | readonly string[] | null>;

class Router {
  path = $state(location.pathname.slice(BASE.length));
  query = $state.raw(new URLSearchParams(location.search));
  readonly route = $derived(routeOf(this.path));

  constructor() {
    addEventListener("popstate", () => this.#read());
  }

  /** The address of a view, for a link. */
  href(route: Route, parameters: Parameters | URLSearchParams = {}): string {
    const query = parameters instanceof URLSearchParams ? parameters : queryOf(parameters);
    return BASE + pathOf(route) + (query.size ? `?${query}` : "");
  }

  /** Go to a view: a new entry of the history. */
  go(route: Route, parameters: Parameters | URLSearchParams = {}): void {
    history.pushState(null, "", this.href(route, parameters));
    this.#read();
  }

  /**
   * Change parameters of the present view. `replace` adds no entry to the history, as for each step of a selection.
   */
  set(parameters: Parameters, { replace = false } = {}): void {
    const query = new URLSearchParams(this.query);
    for (const [name, value] of Object.entries(parameters)) {
      query.delete(name);
      append(query, name, value);
    }
    const address = BASE + this.path + (query.size ? `?${query}` : "") + location.hash; // the secret of a share
    history[replace ? "replaceState" : "pushState"](null, "", address);
    this.#read();
  }

  get(name: string): string | null {
    return this.query.get(name);
  }

  #read(): void {
    this.path = location.pathname.slice(BASE.length);
    this.query = new URLSearchParams(location.search);
  }
}

function queryOf(parameters: Parameters): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) append(query, name, value);
  return query;
}

/** Add a parameter: null adds none, a list one for each of its values. */
function append(query: URLSearchParams, name: string, value: Parameters[string]): void {
  for (const item of value === null ? [] : typeof value === "string" ? [value] : value)
    query.append(name, item);
}

export const router = new Router();

/** A click on a link of the page, unless the reader wants a new tab or window. */
export function follow(event: MouseEvent): void {
  if (
    event.defaultPrevented ||
    event.button !== 0 ||
    event.metaKey ||
    event.ctrlKey ||
    event.shiftKey ||
    event.altKey
  )
    return;
  const link = (event.target as Element).closest?.("a[href]");
  if (!(link instanceof HTMLAnchorElement) || link.target || link.download || link.origin !== location.origin)
    return;
  const path = link.pathname.slice(BASE.length);
  if (!link.pathname.startsWith(BASE) || !(path === "/traces" || path.startsWith("/traces/"))) return;
  event.preventDefault();
  const route = routeOf(path);
  router.go(route, new URLSearchParams(link.search));
}
