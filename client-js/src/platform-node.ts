/**
 * Node. Requests use `node:http` instead of `fetch`, because its sockets can be unreferenced: a process whose work is
 * done ends, even while the store does not answer. Frameworks such as Next.js also replace `fetch`.
 */

import * as http from "node:http";
import * as https from "node:https";
import { promisify } from "node:util";
import { gzip as compress } from "node:zlib";

import type { ContextManager } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";

import { LimitedBody, type Post, type Response } from "./transport.js";

const agents = {
  http: new http.Agent({ keepAlive: true, maxSockets: 2 }),
  https: new https.Agent({ keepAlive: true, maxSockets: 2 }),
};

export const post: Post = (url, headers, body, signal) =>
  new Promise<Response>((resolve, reject) => {
    const isSecure = url.startsWith("https:");
    const send = isSecure ? https.request : http.request;
    const options = { method: "POST", headers, agent: isSecure ? agents.https : agents.http, signal };
    const request = send(url, options, (response) => {
      const read = new LimitedBody();
      const finish = (isComplete: boolean) =>
        resolve({
          status: response.statusCode ?? 0,
          contentType: response.headers["content-type"] ?? "",
          retryAfter: response.headers["retry-after"] ?? null,
          body: read.bytes(),
          isComplete,
        });
      response.on("data", (chunk: Buffer) => {
        if (!read.add(chunk)) {
          finish(false);
          response.destroy();
        }
      });
      response.on("end", () => finish(true));
      response.on("error", reject);
      response.on("close", () => reject(new Error("the response was cut off"))); // no effect after `finish`
    });
    request.on("socket", (socket) => socket.unref());
    request.on("error", reject);
    request.end(body);
  });

const deflate = promisify(compress);

/** The bytes compressed, in a thread of Node's own. */
export async function gzip(bytes: Uint8Array): Promise<Uint8Array | null> {
  return deflate(bytes);
}

/** OpenTelemetry's own manager of the current span. */
export function contextManager(): ContextManager | null {
  return new AsyncLocalStorageContextManager().enable();
}

/** Call `send` when the process has no more work. After `process.exit()` or a signal, nothing can be sent. */
export function onExit(send: () => void): void {
  process.on("beforeExit", send);
}

/** Let the process end while this timer is pending. */
export function unreference(timer: unknown): void {
  (timer as NodeJS.Timeout).unref();
}
