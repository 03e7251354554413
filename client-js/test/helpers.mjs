// Stores with faults, and the spans that a test has ended.
import http from "node:http";
import net from "node:net";

import { configure, shutdown } from "tracestore-client";

/** Limits for stores in trouble: the first retry would be later than the timeout. */
export const QUICK = { intervalMs: 10, exportTimeoutMs: 790, exitTimeoutMs: 200 };

/** Log lines since the last `configureFor`. */
export const logged = [];

/** Configures the client for a test, and shuts it down after the test. */
export function configureFor(test, endpoint = "http://127.0.0.1:9", options = {}) {
  logged.length = 0;
  const logger = { warn: (line) => logged.push(line), error: (line) => logged.push(line) };
  if (!configure({ endpoint, apiKey: "tsk_test", serviceName: "tests", logger, ...options }))
    throw new Error(logged[0]);
  test.after(() => shutdown(0));
}

/** The ended spans of a test that needs no store. */
export function spansOf(test, options = {}) {
  const spans = [];
  configureFor(test, undefined, {
    limits: { intervalMs: 60_000 },
    keep: (span) => {
      spans.push(span);
      return false;
    },
    ...options,
  });
  return spans;
}

/** The address of a TCP server that handles connections like this. */
export async function serving(test, server) {
  const sockets = new Set();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** A store that accepts everything, unless the test configures it otherwise. */
export async function storeFor(test) {
  const store = {
    status: 200,
    headers: { "content-type": "application/x-protobuf" },
    body: "",
    requests: [],
    base: "",
  };
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    store.requests.push({ url: request.url, headers: request.headers, body: Buffer.concat(chunks) });
    response.writeHead(store.status, store.headers);
    response.end(store.body);
  });
  store.base = await serving(test, server);
  return store;
}

/** Addresses of servers that are in trouble. */
export const troubles = {
  /** Refuses connections. */
  async refusing() {
    const server = net.createServer();
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address();
    await new Promise((resolve) => server.close(resolve));
    return `http://127.0.0.1:${port}`;
  },
  /** Accepts connections and never responds, like a server that is slower than every timeout. */
  hanging: (test) => serving(test, net.createServer()),
  /** Responds with something that is not HTTP. */
  garbage: (test) =>
    serving(
      test,
      net.createServer((socket) => socket.once("data", () => socket.end(Buffer.alloc(1_500, "\x00garbage\r\n")))),
    ),
  /** Sends the response one byte at a time, and never ends it. */
  trickling: (test) =>
    serving(
      test,
      http.createServer((_, response) => {
        response.writeHead(200, { "content-type": "application/x-protobuf" });
        const timer = setInterval(() => response.write("x"), 20);
        response.on("close", () => clearInterval(timer));
      }),
    ),
};
