/** The gateway: checks its settings once, listens, and hands each exchange to its operation. */

import { MohoError, toMohoError } from "@moho/protocol";
import { renderError } from "@moho/wire";
import { BodyRoom } from "./http/body.ts";
import type { Exchange } from "./http/exchange.ts";
import { listen } from "./http/listener.ts";
import { createIds } from "./ids.ts";
import { InFlight } from "./in-flight.ts";
import { inference } from "./inference.ts";
import { listModels } from "./models.ts";
import type { GatewayDeps, Parts } from "./parts.ts";
import { Recorder } from "./recorder.ts";
import { matchRoute, type RouteMatch } from "./routes.ts";
import { createRouting, matcher } from "./routing.ts";
import { createServedModels } from "./served-models.ts";
import { checkSettings, DEFAULT_LIMITS, type GatewaySettings } from "./settings.ts";
import { answerError } from "./steps.ts";

export interface RunningGateway {
  port: number;
  /** Ends: no new calls, running ones get `limits.drainMs` to end and are then cut; all are settled and recorded. */
  close(): Promise<void>;
}

export interface Gateway {
  /** Throws when the address is taken, or the store cannot be written. */
  listen(address: { host: string; port: number }): Promise<RunningGateway>;
}

/** Milliseconds between two looks for leases that ended and records that are owed. */
const UPKEEP_MS = 1_000;

/** Throws `invalid_config` for settings that could never serve. */
export function createGateway(deps: GatewayDeps, settings: GatewaySettings): Gateway {
  checkSettings(settings, deps.upstreams);
  const ids = createIds(deps.random);
  const routing = createRouting(settings.routes);
  const limits = { ...DEFAULT_LIMITS, ...settings.limits };
  const parts: Parts = {
    deps,
    settings,
    limits,
    routing,
    served: createServedModels(routing, deps.upstreams, deps.clock),
    isFree: matcher(settings.freeModels ?? []),
    projects: new Set(["default", ...(settings.projects ?? [])]),
    recorder: new Recorder(deps.ledger, deps.log, deps.logger),
    room: new BodyRoom(limits.bodiesBytes),
    inFlight: new InFlight(limits.callsPerPrincipal),
    eventId: ids.uuid,
  };
  return { listen: (address) => start(parts, address, ids.request) };
}

async function start(
  parts: Parts,
  address: { host: string; port: number },
  nextId: () => string,
): Promise<RunningGateway> {
  const { limits, recorder, deps } = parts;
  recorder.reportExpired(await deps.ledger.expire(deps.clock()));
  let stopping = false;
  const listener = await listen({
    ...address,
    headerBytes: limits.headerBytes,
    headersMs: limits.headersMs,
    keepAliveMs: limits.keepAliveMs,
    drainStallMs: limits.drainStallMs,
    nextId,
    handle: (exchange) => handle(parts, exchange, stopping),
    malformed: (reason, requestId) =>
      renderError(new MohoError("invalid_request", reason, { requestId }), "openai").body,
  });
  const upkeep = setInterval(() => void recorder.upkeep(deps.clock()), UPKEEP_MS).unref();
  return {
    port: listener.port,
    async close() {
      stopping = true;
      await listener.close(limits.drainMs);
      clearInterval(upkeep);
      await recorder.upkeep(deps.clock());
      if (recorder.owed > 0)
        deps.logger.error("the gateway stops with calls not recorded", { calls: recorder.owed });
    },
  };
}

/** Never rejects. */
async function handle(parts: Parts, exchange: Exchange, stopping: boolean): Promise<void> {
  let found: RouteMatch;
  try {
    found = matchRoute(exchange.method, exchange.target);
    if (stopping && found.route.action) throw new MohoError("unavailable", "The gateway is stopping.");
  } catch (error) {
    return answerError(exchange, toMohoError(error), "openai");
  }
  const { route, id } = found;
  switch (route.operation) {
    case "CreateInference":
      return inference(parts, exchange, route);
    case "ListModels":
    case "GetModel":
      return listModels(parts, exchange, route, id);
    case "Health":
      return answerHealth(exchange, true);
    case "Ready":
      return answerHealth(exchange, parts.recorder.healthy && !stopping);
  }
}

function answerHealth(exchange: Exchange, well: boolean): void {
  const body = JSON.stringify({ status: well ? "ok" : "unavailable" });
  exchange.answer(well ? 200 : 503, { "content-type": "application/json" }, body);
}
