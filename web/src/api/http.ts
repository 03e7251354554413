/** Requests to the API with the credential of the session. */

import { session } from "../auth/session.svelte.ts";
import { api } from "../base.ts";
import { ApiError, errorOf, unreachable } from "./errors.ts";
import { parseExact } from "./exact.ts";

export type Query = Record<string, string | number | boolean | readonly string[] | null | undefined>;

interface Remembered {
  etag: string;
  data: unknown;
}

/** The last responses that have an ETag, the oldest first: a poll that finds nothing new parses nothing. */
const remembered = new Map<string, Remembered>();
const REMEMBERED_MAX = 60;

function remember(url: string, entry: Remembered): void {
  remembered.delete(url);
  remembered.set(url, entry);
  if (remembered.size > REMEMBERED_MAX) remembered.delete(remembered.keys().next().value as string);
}

/** A path with its query. Parameters that are null or undefined are left out; a list repeats its parameter. */
export function urlOf(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined) continue;
    for (const item of Array.isArray(value) ? value : [value]) parameters.append(name, String(item));
  }
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
}

/** Browsers abort the requests that wait when the network of the machine changes: reading is tried once more. */
const AGAIN_MS = 300;

async function read(path: string, init: RequestInit = {}): Promise<Response> {
  try {
    return await send(path, init);
  } catch (error) {
    if (!(error instanceof ApiError) || !navigator.onLine) throw error;
    await new Promise((resume) => setTimeout(resume, AGAIN_MS));
    return send(path, init);
  }
}

async function send(path: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  for (const [name, value] of Object.entries(session.headers)) headers.set(name, value);
  let response: Response;
  try {
    response = await fetch(api(path), { ...init, headers, cache: "no-store", credentials: "omit" });
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw unreachable();
  }
  if (response.status === 401) session.rejected();
  return response;
}

/**
 * The JSON of a GET. The same object as before while the server answers 304.
 * @throws ApiError
 */
export async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const url = urlOf(path, query);
  const key = `${session.owner}\n${url}`;
  const known = remembered.get(key);
  const response = await read(url, {
    ...(signal ? { signal } : {}),
    headers: known ? { "if-none-match": known.etag } : {},
  });
  if (response.status === 304 && known) return known.data as T;
  if (!response.ok) throw await errorOf(response);
  const data: unknown = parseExact(await response.text());
  const etag = response.headers.get("etag");
  if (etag) remember(key, { etag, data });
  return data as T;
}

/**
 * The JSON of a request that changes something.
 * @throws ApiError
 */
export async function change<T>(
  method: "POST" | "PUT" | "DELETE",
  path: string,
  query: Query = {},
  body?: unknown,
): Promise<T> {
  const response = await send(urlOf(path, query), {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  if (!response.ok) throw await errorOf(response);
  return (await response.json()) as T;
}

/**
 * The bytes of a GET, such as a medium or an export.
 * @throws ApiError
 */
export async function blob(path: string, query: Query = {}): Promise<{ blob: Blob; headers: Headers }> {
  const response = await read(urlOf(path, query));
  if (!response.ok) throw await errorOf(response);
  return { blob: await response.blob(), headers: response.headers };
}

/** Forget everything, as after signing out. */
export function forget(): void {
  remembered.clear();
}
