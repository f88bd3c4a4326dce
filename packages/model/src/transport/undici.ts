/** A transport on undici's connection pools, for gateways: many calls at once. Loaded with the first call. */

import { Readable } from "node:stream";
import type { Agent, Dispatcher } from "undici";
import type { HttpRequest, HttpResponse, Transport } from "../ports.ts";
import { type Clocks, DEFAULT_CLOCKS, flatHeaders, stopped, timedOut, unreachable } from "./clocks.ts";

export interface UndiciTransport extends Transport {
  /** Waits for calls under way, then closes every connection. */
  close(): Promise<void>;
}

export interface UndiciOptions {
  /** Connections to one origin; 512 unless told. */
  connections?: number;
  /** Milliseconds; the connect clock belongs to the pool and not to the single call. */
  connect?: number;
}

/** HTTP/1.1 with keep-alive. Redirects are answers like others. */
export function createUndiciTransport(options: UndiciOptions = {}): UndiciTransport {
  const connect = options.connect ?? DEFAULT_CLOCKS.connect;
  let agent: Promise<Agent> | undefined;

  const load = async (): Promise<Agent> => {
    // The front door of undici brings fetch, caches and mocks along: 1.4 MB of code that every collection walks.
    const { default: Agent } = await import("undici/lib/dispatcher/agent.js");
    return new Agent({
      connections: options.connections ?? 512,
      pipelining: 1,
      allowH2: false,
      connect: { timeout: connect },
    });
  };

  const send: Transport = async (request) => {
    if (request.signal?.aborted) throw stopped();
    agent ??= load();
    return exchange(await agent, request, { ...DEFAULT_CLOCKS, ...request.clocks, connect });
  };
  return Object.assign(send, {
    async close() {
      await (await agent)?.close();
    },
  });
}

function exchange(agent: Agent, request: HttpRequest, clocks: Clocks): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const answer = new Answer(request, clocks, resolve, reject);
    agent.dispatch(
      {
        origin: request.url.origin,
        path: request.url.pathname + request.url.search,
        method: request.method as Dispatcher.HttpMethod,
        headers: request.headers,
        body: request.body ?? null,
        headersTimeout: clocks.firstByte,
        bodyTimeout: clocks.idle,
      },
      answer,
    );
  });
}

/** Receives one answer: its head resolves the call, its body is a stream that holds the socket back when it is full. */
class Answer implements Dispatcher.DispatchHandler {
  readonly #request: HttpRequest;
  readonly #clocks: Clocks;
  readonly #resolve: (response: HttpResponse) => void;
  readonly #reject: (error: Error) => void;
  readonly #onAbort = (): void => this.#stop(stopped());
  #controller: Dispatcher.DispatchController | undefined;
  #body: Readable | undefined;

  constructor(
    request: HttpRequest,
    clocks: Clocks,
    resolve: (response: HttpResponse) => void,
    reject: (error: Error) => void,
  ) {
    this.#request = request;
    this.#clocks = clocks;
    this.#resolve = resolve;
    this.#reject = reject;
    request.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#request.signal?.aborted) this.#stop(stopped());
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return;
    this.#body = new Readable({
      read: () => controller.resume(),
      destroy: (error, done) => {
        this.#release();
        if (!this.#body?.readableEnded) controller.abort(error ?? stopped());
        done(error);
      },
    });
    this.#resolve({ status, headers: flatHeaders(headers), body: this.#body });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#body?.push(chunk) === false) controller.pause();
  }

  onResponseEnd(): void {
    this.#release();
    this.#body?.push(null);
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#release();
    const failure = this.#explain(error);
    if (this.#body) this.#body.destroy(failure);
    else this.#reject(failure);
  }

  #stop(error: Error): void {
    this.#release();
    if (this.#body) this.#body.destroy(error);
    else this.#reject(error);
    this.#controller?.abort(error);
  }

  #release(): void {
    this.#request.signal?.removeEventListener("abort", this.#onAbort);
  }

  #explain(error: Error): Error {
    const { url } = this.#request;
    switch ((error as { code?: string }).code) {
      case "UND_ERR_CONNECT_TIMEOUT":
        return timedOut("connect", url, this.#clocks.connect);
      case "UND_ERR_HEADERS_TIMEOUT":
        return timedOut("firstByte", url, this.#clocks.firstByte);
      case "UND_ERR_BODY_TIMEOUT":
        return timedOut("idle", url, this.#clocks.idle);
      default:
        // The pool begins a request only on a connection that stands, and takes one that closed before from its queue.
        return this.#body ? error : unreachable(url, error, { nothingSent: this.#controller === undefined });
    }
  }
}
