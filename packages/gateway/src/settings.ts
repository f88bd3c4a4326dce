/** What an operator decides about a gateway, checked once at the start. */

import { MohoError } from "@moho/protocol";

/** Where calls for a model go. Patterns have `*` as their only wildcard. */
export interface ModelRoute {
  /** A client's model id, or a pattern of them. */
  model: string;
  /** Name of an upstream. */
  upstream: string;
  /** The id to send there; by default the client's. */
  upstreamModel?: string;
}

export interface GatewayLimits {
  /** Largest request body. */
  bodyBytes: number;
  /** All request bodies that are held at one time, until their upstream has answered. */
  bodiesBytes: number;
  /** All headers of one request. */
  headerBytes: number;
  /** Milliseconds for the head of a request to arrive. */
  headersMs: number;
  /** Milliseconds of silence in the middle of a request body. */
  bodyIdleMs: number;
  /** Milliseconds for a whole request body. */
  bodyMs: number;
  /** Milliseconds an idle connection is kept. */
  keepAliveMs: number;
  /**
   * Milliseconds after which a reservation that nobody settled, because its gateway died, settles at its worst case.
   * A call that lasts longer loses nothing: the worst case counts before and after, until its own settlement replaces it.
   */
  leaseMs: number;
  /** Milliseconds after which a client that takes nothing of what waits for it is cut: its call is given up upstream. */
  drainStallMs: number;
  /** Calls of one principal that run at one time; more are `throttled`. */
  callsPerPrincipal: number;
  /** Milliseconds that running calls get to end when the gateway stops. */
  drainMs: number;
}

export interface GatewaySettings {
  region: string;
  /** Twelve digits: in every ARN and record. */
  account: string;
  /** `aws`, `aws-us-gov`… */
  partition?: string;
  /** First match wins; an exact id beats every pattern. */
  routes: readonly ModelRoute[];
  /** Project ids beyond `default`. */
  projects?: readonly string[];
  /** Patterns of client model ids that cost nothing; every other model needs a price. */
  freeModels?: readonly string[];
  limits?: Partial<GatewayLimits>;
}

export const DEFAULT_LIMITS: Readonly<GatewayLimits> = {
  bodyBytes: 25 * 1024 * 1024,
  bodiesBytes: 512 * 1024 * 1024,
  headerBytes: 32 * 1024,
  headersMs: 20_000,
  bodyIdleMs: 30_000,
  bodyMs: 300_000,
  keepAliveMs: 360_000,
  leaseMs: 600_000,
  drainStallMs: 60_000,
  callsPerPrincipal: 256,
  drainMs: 20_000,
};

/** Throws `invalid_config` for settings that could never serve. */
export function checkSettings(settings: GatewaySettings, upstreams: ReadonlyMap<string, unknown>): void {
  const bad = (what: string): never => {
    throw new MohoError("invalid_config", what);
  };
  if (!/^\d{12}$/.test(settings.account)) bad(`The account "${settings.account}" is not twelve digits.`);
  if (settings.region === "") bad("The gateway has no region.");
  if (settings.routes.length === 0) bad("The gateway has no model routes.");
  for (const route of settings.routes) {
    if (!upstreams.has(route.upstream)) {
      bad(`The route for "${route.model}" names the upstream "${route.upstream}", which does not exist.`);
    }
  }
}
