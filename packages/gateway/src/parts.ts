/** What a gateway is made of: what it was given, and what it made of that once. */

import type { Access } from "@moho/access";
import type { Upstream } from "@moho/model";
import type { Ledger, Log } from "@moho/store";
import type { ModelFacts } from "./admission.ts";
import type { BodyRoom } from "./http/body.ts";
import type { InFlight } from "./in-flight.ts";
import type { Logger } from "./logger.ts";
import type { Recorder } from "./recorder.ts";
import type { Routing } from "./routing.ts";
import type { ServedModels } from "./served-models.ts";
import type { GatewayLimits, GatewaySettings } from "./settings.ts";

/** What a gateway works with. It closes none of it. */
export interface GatewayDeps {
  access: Access;
  ledger: Ledger;
  log: Log;
  /** By the names that routes use. */
  upstreams: ReadonlyMap<string, Upstream>;
  /** Price and limits of a model by its upstream's or the client's id; `undefined` when unknown. */
  models: (modelId: string) => ModelFacts | undefined;
  /** Epoch milliseconds. */
  clock: () => number;
  /** That many random bytes. */
  random: (size: number) => Uint8Array;
  logger: Logger;
}

export interface Parts {
  deps: GatewayDeps;
  settings: GatewaySettings;
  limits: Readonly<GatewayLimits>;
  routing: Routing;
  served: ServedModels;
  /** Does this model cost nothing? */
  isFree: (model: string) => boolean;
  projects: ReadonlySet<string>;
  recorder: Recorder;
  room: BodyRoom;
  inFlight: InFlight;
  /** A fresh UUID. */
  eventId: () => string;
}
