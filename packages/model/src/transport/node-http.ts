/** A transport on Node's own HTTP client: nothing to load, made for the agent's quick start. */

import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import { createRequire } from "node:module";
import type { HttpRequest, HttpResponse, Transport } from "../ports.ts";
import { DEFAULT_CLOCKS, flatHeaders, stopped, timedOut, unreachable } from "./clocks.ts";

/**
 * Not by `import`: that reads every export of the module, among them the getters of `WebSocket` and its kin, which
 * load all of undici. Measured on Node 24: 80 ms and more against 12.
 */
const load = createRequire(import.meta.url);
const http = load("node:http") as typeof import("node:http");

export interface NodeTransport extends Transport {
  /** Closes idle connections. */
  close(): void;
}

/** Connections are kept alive. Redirects are answers like others. `node:https` is loaded with the first https address. */
export function createNodeTransport(): NodeTransport {
  let plain: Agent | undefined;
  let secure: Agent | undefined;

  const open = (request: HttpRequest): ClientRequest => {
    const options = { method: request.method, headers: requestHeaders(request) };
    if (request.url.protocol === "http:") {
      plain ??= new http.Agent({ keepAlive: true });
      return http.request(request.url, { ...options, agent: plain });
    }
    const https = load("node:https") as typeof import("node:https");
    secure ??= new https.Agent({ keepAlive: true });
    return https.request(request.url, { ...options, agent: secure });
  };

  const send: Transport = async (request) => {
    if (request.signal?.aborted) throw stopped();
    return exchange(request, open(request));
  };
  return Object.assign(send, {
    close() {
      plain?.destroy();
      secure?.destroy();
    },
  });
}

function requestHeaders(request: HttpRequest): Record<string, string> {
  const { body } = request;
  if (body === undefined) return request.headers;
  const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
  return { ...request.headers, "content-length": String(length) };
}

function exchange(request: HttpRequest, outgoing: ClientRequest): Promise<HttpResponse> {
  const { url, signal } = request;
  const clocks = request.clocks ?? DEFAULT_CLOCKS;
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const arm = (clock: "connect" | "firstByte"): void => {
      clearTimeout(timer);
      timer = setTimeout(() => fail(timedOut(clock, url, clocks[clock])), clocks[clock]);
    };
    const abort = (): void => fail(stopped());
    const fail = (error: Error): void => {
      settle();
      reject(error);
      outgoing.destroy();
    };
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };

    signal?.addEventListener("abort", abort, { once: true });
    arm("connect");
    outgoing.on("socket", (socket) => {
      if (socket.connecting)
        socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => arm("firstByte"));
      else arm("firstByte");
    });
    outgoing.on("error", (cause) => fail(unreachable(url, cause, { stale: outgoing.reusedSocket })));
    outgoing.on("response", (incoming) => {
      settle();
      guardBody(incoming, request, clocks.idle);
      resolve({ status: incoming.statusCode ?? 0, headers: flatHeaders(incoming.headers), body: incoming });
    });
    outgoing.end(request.body);
  });
}

/** The idle clock and the caller's abort, as errors of the body's stream. */
function guardBody(body: IncomingMessage, request: HttpRequest, idle: number): void {
  const { url, signal } = request;
  const { socket } = body;
  const abort = (): void => void body.destroy(stopped());
  const onIdle = (): void => {
    // What has arrived and was not taken yet is the reader's delay, not the server's.
    if (body.readableLength > 0) socket.setTimeout(idle);
    else body.destroy(timedOut("idle", url, idle));
  };
  socket.setTimeout(idle, onIdle);
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  body.once("close", () => {
    signal?.removeEventListener("abort", abort);
    socket.setTimeout(0);
    socket.removeListener("timeout", onIdle);
  });
}
