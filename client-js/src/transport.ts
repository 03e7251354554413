/** The part of the platform that sends a request. There is one for Node and one for other runtimes. */

/** The bytes that are read of a response at most. */
export const MAX_RESPONSE_BYTES = 16_384;

/** A response. `isComplete` is false when only its beginning was read. */
export interface Response {
  status: number;
  contentType: string;
  retryAfter: string | null;
  body: Uint8Array;
  isComplete: boolean;
}

/** Send a POST request with these headers and no others that identify somebody. Redirects are not followed. */
export type Post = (
  url: string,
  headers: Record<string, string>,
  body: Uint8Array,
  signal: AbortSignal,
) => Promise<Response>;

/** What `AsyncLocalStorage` of `node:async_hooks` offers; other runtimes have it as a global object. */
export interface LocalStorage<T> {
  getStore(): T | undefined;
  run<R>(store: T, callback: () => R): R;
}

/** The bytes read so far, and whether the limit is reached. */
export class LimitedBody {
  private chunks: Uint8Array[] = [];
  private size = 0;

  /** Add a chunk. Return whether more may be added. */
  add(chunk: Uint8Array): boolean {
    this.chunks.push(chunk.subarray(0, MAX_RESPONSE_BYTES - this.size));
    this.size = Math.min(this.size + chunk.length, MAX_RESPONSE_BYTES);
    return this.size < MAX_RESPONSE_BYTES;
  }

  bytes(): Uint8Array {
    const body = new Uint8Array(this.size);
    let offset = 0;
    for (const chunk of this.chunks) {
      body.set(chunk, offset);
      offset += chunk.length;
    }
    return body;
  }
}
