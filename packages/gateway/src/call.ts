/** What is known of one governed call. Its steps fill it in, in order; settlement and record are made of it. */

import type { Decision, Principal } from "@moho/access";
import type { ModelPrice, MohoError } from "@moho/protocol";
import type { Settlement } from "@moho/store";
import type { ResponsesPeek, ResponsesTap } from "@moho/wire";
import type { WorstCase } from "./admission.ts";
import type { Body } from "./http/body.ts";
import type { Exchange } from "./http/exchange.ts";
import type { Route } from "./routes.ts";
import type { Target } from "./routing.ts";

export interface Call {
  readonly id: string;
  readonly route: Route;
  /** All times are epoch milliseconds. */
  readonly receivedAt: number;
  readonly sourceIp: string;
  readonly secure: boolean;
  userAgent: string;
  project: string;
  body: Body | undefined;
  principal: Principal | undefined;
  /** It counts among its principal's running calls. */
  running: boolean;
  decision: Decision | undefined;
  /** An inference's request, its model known to be there. */
  request: (ResponsesPeek & { model: string }) | undefined;
  target: Target | undefined;
  reservation: Reservation | undefined;
  sentAt: number | undefined;
  /** The upstream's. */
  answer: { status: number; requestId: string | undefined } | undefined;
  tap: ResponsesTap | undefined;
  /** The answer is an event stream. */
  streams: boolean;
  firstByteAt: number | undefined;
  error: MohoError | undefined;
  clientLeft: boolean;
  settlement: Settlement | undefined;
}

export interface Reservation {
  /** Nano-dollars that were granted. */
  amount: number;
  /** The output tokens they pay for, when those are fewer than were asked for. */
  clampedTo: number | undefined;
  scopes: readonly string[];
  worst: WorstCase;
  price: ModelPrice | undefined;
}

/** Every field from the start, so that all calls have one shape. */
export function openCall(exchange: Exchange, route: Route, now: number): Call {
  return {
    id: exchange.id,
    route,
    receivedAt: now,
    sourceIp: exchange.remoteAddress,
    secure: exchange.secure,
    userAgent: "",
    project: "default",
    body: undefined,
    principal: undefined,
    running: false,
    decision: undefined,
    request: undefined,
    target: undefined,
    reservation: undefined,
    sentAt: undefined,
    answer: undefined,
    tap: undefined,
    streams: false,
    firstByteAt: undefined,
    error: undefined,
    clientLeft: false,
    settlement: undefined,
  };
}
