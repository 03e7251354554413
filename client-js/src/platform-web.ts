/** Runtimes other than Node, such as Vercel's edge runtime: only what the web platform has. */

import type { Context, ContextManager } from "@opentelemetry/api";

import { StorageContextManager } from "./context.js";
import { LimitedBody, type LocalStorage, type Post } from "./transport.js";

export const post: Post = async (url, headers, body, signal) => {
  const response = await fetch(url, { method: "POST", headers, body: body as BodyInit, signal, redirect: "manual" });
  const read = new LimitedBody();
  let isComplete = true;
  const reader = response.body?.getReader();
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    if (!read.add(value)) {
      isComplete = false;
      await reader.cancel();
      break;
    }
  }
  return {
    status: response.status,
    contentType: response.headers.get("content-type") ?? "",
    retryAfter: response.headers.get("retry-after"),
    body: read.bytes(),
    isComplete,
  };
};

/** The bytes compressed, or null where the runtime cannot compress: that of Next.js throws at the attempt. */
export async function gzip(bytes: Uint8Array): Promise<Uint8Array | null> {
  try {
    const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new CompressionStream("gzip"));
    return new Uint8Array(await new globalThis.Response(stream).arrayBuffer());
  } catch {
    return null;
  }
}

/** A manager of the current span, or null where the runtime has none: only `lesson.llmCall` and the like nest there. */
export function contextManager(): ContextManager | null {
  const constructor = (globalThis as { AsyncLocalStorage?: new () => LocalStorage<Context> }).AsyncLocalStorage;
  return constructor ? new StorageContextManager(new constructor()) : null;
}

/** Do nothing: these runtimes do not announce their end. */
export function onExit(_send: () => void): void {}

/** Do nothing: timers do not keep these runtimes alive. */
export function unreference(_timer: unknown): void {}
