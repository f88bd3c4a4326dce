/** Governed inference over HTTP. */

export type { ModelFacts } from "./admission.ts";
export { createGateway, type Gateway, type RunningGateway } from "./gateway.ts";
export type { Logger } from "./logger.ts";
export type { GatewayDeps } from "./parts.ts";
export { AUDIT_STREAM } from "./recorder.ts";
export { checkSettings, type GatewayLimits, type GatewaySettings, type ModelRoute } from "./settings.ts";
