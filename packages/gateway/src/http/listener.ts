/** One port for HTTP/1.1 and h2c: connections in, exchanges out, and an orderly end. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Session } from "node:http2";
import { createRequire } from "node:module";
import type { AddressInfo, Socket } from "node:net";
import { Exchange, type Incoming, type Outgoing } from "./exchange.ts";
import { sniff } from "./sniff.ts";

/** An ESM import of `node:http` reads all its getters, one of which loads Node's own copy of undici: 0.8 MB, 40 ms. */
const load = createRequire(import.meta.url);
const { createServer } = load("node:http") as typeof import("node:http");
const { createServer: createH2Server } = load("node:http2") as typeof import("node:http2");

export interface ListenerOptions {
  host: string;
  port: number;
  /** Bytes of all headers of one request. */
  headerBytes: number;
  /** Milliseconds for a request's head to arrive. */
  headersMs: number;
  /** Milliseconds an idle connection is kept: longer than a network load balancer's 350 s. */
  keepAliveMs: number;
  /** Milliseconds after which a client that takes nothing of its answer is cut. */
  drainStallMs: number;
  /** The id of the next request. */
  nextId(): string;
  /** Must not reject. */
  handle(exchange: Exchange): Promise<void>;
  /** The body of the answer to bytes that are not a request. */
  malformed(reason: string, id: string): string;
}

export interface Listener {
  port: number;
  /** Takes no new connections, lets running exchanges end for `graceMs`, then aborts them. */
  close(graceMs: number): Promise<void>;
}

const MAX_STREAMS = 512;
/** Milliseconds that a peer has to take the last bytes of its answer when the listener closes. */
const FLUSH_MS = 1_000;

export async function listen(options: ListenerOptions): Promise<Listener> {
  const running = new Running(options);
  const server = createServer(
    {
      headersTimeout: options.headersMs,
      // The body has its own clocks, which also hold for HTTP/2: see body.ts.
      requestTimeout: 0,
      connectionsCheckingInterval: Math.min(1_000, options.headersMs),
      keepAliveTimeout: options.keepAliveMs,
      maxHeaderSize: options.headerBytes,
      insecureHTTPParser: false,
      // A missing host is refused in head.ts, in the caller's dialect.
      requireHostHeader: false,
      noDelay: true,
    },
    running.onRequest,
  );
  const h2 = createH2Server(
    { settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: options.headerBytes } },
    running.onRequest,
  );
  server.on("checkContinue", running.onRequest);
  h2.on("checkContinue", running.onRequest);
  server.on("clientError", (error: ParseError, socket: Socket) => {
    if (running.hasBegun(socket)) socket.destroy();
    else refuse(error, socket, options);
  });
  h2.on("session", (session) => running.addSession(session, options.keepAliveMs));
  h2.on("sessionError", () => {});

  const onHttp1 = server.listeners("connection")[0] as (this: unknown, socket: Socket) => void;
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    running.addSocket(socket);
    sniff(socket, options.headersMs, (protocol) => {
      if (protocol === "h2") h2.emit("connection", socket);
      else onHttp1.call(server, socket);
    });
  });

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close(graceMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await running.drain(graceMs);
      await closed;
    },
  };
}

/** What is going on: sockets with their exchanges, HTTP/2 sessions. */
class Running {
  readonly #options: ListenerOptions;
  readonly #sockets = new Map<Socket, Set<Exchange>>();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #exchanges = new Set<Exchange>();
  #onIdle: (() => void) | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  readonly onRequest = (
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ): void => {
    const exchange = new Exchange(
      this.#options.nextId(),
      request as Incoming,
      response as unknown as Outgoing,
      this.#options.drainStallMs,
    );
    const onSocket = this.#sockets.get(request.socket as Socket);
    this.#exchanges.add(exchange);
    if (request.httpVersionMajor === 1) onSocket?.add(exchange);
    else response.once("close", () => this.#exchanges.has(exchange) && exchange.clientGone());
    void this.#options.handle(exchange).finally(() => {
      onSocket?.delete(exchange);
      this.#exchanges.delete(exchange);
      if (this.#exchanges.size === 0) this.#onIdle?.();
    });
  };

  addSocket(socket: Socket): void {
    const exchanges = new Set<Exchange>();
    this.#sockets.set(socket, exchanges);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      for (const exchange of exchanges) exchange.clientGone();
    });
  }

  /** An answer is on its way over this socket: nothing else may be written to it. */
  hasBegun(socket: Socket): boolean {
    for (const exchange of this.#sockets.get(socket) ?? []) if (exchange.begun) return true;
    return false;
  }

  addSession(session: ServerHttp2Session, idleMs: number): void {
    this.#sessions.add(session);
    session.setTimeout(idleMs, () => session.close());
    session.once("close", () => this.#sessions.delete(session));
  }

  async drain(graceMs: number): Promise<void> {
    for (const session of this.#sessions) session.close();
    await this.#idle(graceMs);
    for (const exchange of this.#exchanges) exchange.giveUp();
    await this.#idle(graceMs);
    for (const session of this.#sessions) session.close();
    for (const socket of this.#sockets.keys()) socket.destroySoon();
    const timer = setTimeout(() => {
      for (const socket of this.#sockets.keys()) socket.destroy();
    }, FLUSH_MS);
    timer.unref();
  }

  /** Resolves when nothing runs, or after `ms`. */
  async #idle(ms: number): Promise<void> {
    if (this.#exchanges.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

const NOT_HTTP = { status: "400 Bad Request", reason: "The bytes received are not a valid HTTP request." };
const REFUSALS: Readonly<Record<string, typeof NOT_HTTP>> = {
  HPE_HEADER_OVERFLOW: {
    status: "431 Request Header Fields Too Large",
    reason: "The headers of the request are too large.",
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: "408 Request Timeout",
    reason: "The head of the request did not arrive in time.",
  },
};

interface ParseError extends Error {
  code?: string;
}

/** Answers bytes that the parser refused; nothing of them is repeated. */
function refuse(error: ParseError, socket: Socket, options: ListenerOptions): void {
  if (!socket.writable || error.code === "ECONNRESET") return void socket.destroy();
  const { status, reason } = REFUSALS[error.code ?? ""] ?? NOT_HTTP;
  const id = options.nextId();
  const body = options.malformed(reason, id);
  socket.end(
    `HTTP/1.1 ${status}\r\ndate: ${new Date().toUTCString()}\r\nconnection: close\r\n` +
      `content-type: application/json\r\nx-request-id: ${id}\r\nx-amzn-requestid: ${id}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroySoon(),
  );
}
