/** One HTTP exchange, the same for HTTP/1.1 and HTTP/2: what arrived, and the one answer to it. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerRequest, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type Body, type BodyLimits, type BodyRoom, readBody, tooLarge } from "./body.ts";
import { type RequestHead, readHead } from "./head.ts";

export type Incoming = IncomingMessage | Http2ServerRequest;
/** The part of both response classes that is used here; they agree on it. */
export type Outgoing = Pick<
  ServerResponse,
  | "writeHead"
  | "flushHeaders"
  | "write"
  | "end"
  | "writeContinue"
  | "headersSent"
  | "once"
  | "socket"
  | "writableLength"
>;

export type AnswerHeaders = Record<string, string>;

/** Milliseconds that a peer gets to read its last answer while the rest of its body is thrown away. */
const LINGER_MS = 5_000;

/** So much at the end of an answer leaves at once, or costs nobody much: no clock is set for it. */
const TAIL_BYTES = 16 * 1024;

export class Exchange {
  readonly id: string;
  readonly method: string;
  /** Path and query exactly as received. */
  readonly target: string;
  readonly rawHeaders: readonly string[];
  /** Aborted when the client leaves before it has the whole answer, or the gateway stops. */
  readonly signal: AbortSignal;
  readonly #request: Incoming;
  readonly #response: Outgoing;
  readonly #controller = new AbortController();
  #head: RequestHead | undefined;
  #clientLeft = false;
  #gaveUp = false;
  #onAbort: (() => void) | undefined;
  #last: Uint8Array | undefined;
  readonly #stallMs: number;
  /** Runs once the client has been behind. */
  #drainClock: NodeJS.Timeout | undefined;
  #stalled = false;

  /** A client that takes nothing of what waits for it for `stallMs` is cut. */
  constructor(id: string, request: Incoming, response: Outgoing, stallMs: number) {
    this.id = id;
    this.#stallMs = stallMs;
    this.method = request.method ?? "";
    this.target = request.url ?? "";
    this.rawHeaders = request.rawHeaders;
    this.signal = this.#controller.signal;
    this.#request = request;
    this.#response = response;
  }

  /** Throws `invalid_request` for a head that could be read in two ways. */
  get head(): RequestHead {
    this.#head ??= readHead(this.rawHeaders);
    return this.#head;
  }

  get remoteAddress(): string {
    const address = this.#socket.remoteAddress ?? "";
    return address.startsWith("::ffff:") ? address.slice(7) : address;
  }

  get secure(): boolean {
    return (this.#socket as TLSSocket).encrypted === true;
  }

  get clientLeft(): boolean {
    return this.#clientLeft;
  }

  /** The listener stopped before the answer was complete. */
  get gaveUp(): boolean {
    return this.#gaveUp;
  }

  /** The client took nothing of what waited for it, and was cut. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /** The bytes that were written last. */
  get lastWritten(): Uint8Array | undefined {
    return this.#last;
  }

  get begun(): boolean {
    return this.#response.headersSent;
  }

  /** The whole body; see {@link readBody} for how it can fail. */
  readBody(limits: BodyLimits, room: BodyRoom): Promise<Body> {
    const { contentLength, expectsContinue } = this.head;
    if ((contentLength ?? 0) > limits.bytes) throw tooLarge(limits.bytes);
    if (expectsContinue) this.#response.writeContinue();
    return readBody(this.#request, limits, room);
  }

  /** Sends a whole answer. A request body that was not read to its end is drained for a moment, then cut. */
  answer(status: number, headers: AnswerHeaders, body: string | Uint8Array): void {
    headers["content-length"] = String(Buffer.byteLength(body));
    this.begin(status, headers);
    this.end(body);
    if (!this.#request.complete) this.#linger();
  }

  /** Sends status and headers of an answer whose bytes follow. */
  begin(status: number, headers: AnswerHeaders): void {
    headers["x-request-id"] = this.id;
    headers["x-amzn-requestid"] = this.id;
    this.#response.writeHead(status, headers);
  }

  /** False when the client reads too slowly: wait for {@link onDrain}. */
  write(bytes: Uint8Array): boolean {
    this.#last = bytes;
    if (this.#response.write(bytes)) return true;
    this.#watchDrain();
    return false;
  }

  onDrain(listener: () => void): void {
    this.#response.once("drain", listener);
  }

  /** Sends the head now when the first byte is late. */
  flushHead(): void {
    this.#response.flushHeaders();
  }

  end(last?: Uint8Array | string): void {
    this.#response.end(last);
    if (this.#response.writableLength > TAIL_BYTES) this.#watchDrain();
  }

  /** Breaks the answer off after `last`: the client must see a broken connection, never a clean end. */
  breakOff(last: string): void {
    const socket = this.#socket;
    const stream = this.#stream;
    this.#response.write(last, () =>
      stream === undefined ? socket.destroySoon() : stream.close(constants.NGHTTP2_INTERNAL_ERROR),
    );
    this.#cutLater();
  }

  /** Calls `listener` when {@link signal} is aborted; the one listener that costs no event target. */
  whenAborted(listener: (() => void) | undefined): void {
    this.#onAbort = listener;
    if (this.signal.aborted) listener?.();
  }

  /** The listener says that the client is gone. */
  clientGone(): void {
    this.#clientLeft = true;
    this.#abort();
  }

  /** The listener stops and gives this exchange up. */
  giveUp(): void {
    this.#gaveUp = true;
    this.#abort();
  }

  /** Aborts what still runs for an exchange that has failed. */
  abandon(): void {
    this.#controller.abort();
  }

  #abort(): void {
    this.#controller.abort();
    this.#onAbort?.();
  }

  get #socket(): Socket {
    return this.#request.socket as Socket;
  }

  get #stream(): ServerHttp2Stream | undefined {
    return this.#request.httpVersionMajor === 1 ? undefined : (this.#request as Http2ServerRequest).stream;
  }

  /** Looks once in `stallMs` whether the client has taken anything of what waits, until the answer is over. */
  #watchDrain(): void {
    if (this.#drainClock !== undefined) return;
    let waiting = this.#waiting;
    this.#drainClock = setInterval(() => {
      const before = waiting;
      waiting = this.#waiting;
      if (waiting !== before || waiting === 0 || waiting === Number.POSITIVE_INFINITY) return;
      this.#stalled = true;
      (this.#stream ?? this.#socket).destroy();
    }, this.#stallMs).unref();
    this.#response.once("close", () => clearInterval(this.#drainClock));
  }

  /** Bytes that the client has yet to take; `Infinity` while its answers to earlier requests come first. */
  get #waiting(): number {
    const { socket, writableLength } = this.#response;
    return socket === null ? Number.POSITIVE_INFINITY : writableLength;
  }

  #linger(): void {
    const timer = this.#cutLater();
    this.#request.once("end", () => clearTimeout(timer));
    this.#request.resume();
  }

  #cutLater(): NodeJS.Timeout {
    const peer = this.#stream ?? this.#socket;
    return setTimeout(() => peer.destroy(), LINGER_MS).unref();
  }
}
