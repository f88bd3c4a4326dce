/** The shared words of Moho. Pure; imports nothing. Editing it is a release decision. */

export {
  ERRORS,
  type ErrorCategory,
  type ErrorCode,
  type ErrorOptions,
  type ErrorRow,
  MohoError,
  toMohoError,
} from "./errors.ts";
export * from "./items.ts";
export type { ModelEvent } from "./model-events.ts";
export {
  costOf,
  formatUsd,
  type ModelPrice,
  NANO_PER_USD,
  type NanoUsd,
  type TokenPrice,
  usdToNano,
} from "./money.ts";
export {
  type ItemStatus,
  THREAD_EVENTS_VERSION,
  type ThreadEvent,
  type ThreadItem,
  type TurnError,
  type TurnUsage,
} from "./thread-events.ts";
export {
  addUsage,
  inputTokens,
  NO_USAGE,
  outputTokens,
  totalTokens,
  type Usage,
} from "./usage.ts";
