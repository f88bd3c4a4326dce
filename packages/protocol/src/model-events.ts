/**
 * What a model call looks like to an agent: flat tagged records with exactly one last event,
 * `completed` or `failed`. A stream of these never throws; it ends.
 */

import type { MohoError } from "./errors.ts";
import type { Item } from "./items.ts";
import type { Usage } from "./usage.ts";

export type ModelEvent =
  /** A request is on its way: the n-th try of this call. */
  | { type: "request.sent"; attempt: number; bytes: number }
  /**
   * Another try follows after `waitMs`. Whole items that were delivered stay; a later `item.started` with the index of
   * an unfinished one replaces it.
   */
  | {
      type: "request.retrying";
      attempt: number;
      waitMs: number;
      error: MohoError;
      /** What the tries so far have used, by estimate where no usage came. */
      spent: Usage | undefined;
    }
  | { type: "item.started"; index: number; item: Item }
  | { type: "text.delta"; index: number; delta: string }
  | { type: "reasoning.delta"; index: number; delta: string }
  | { type: "arguments.delta"; index: number; delta: string }
  /** The item is whole: only now may it be stored and acted on. */
  | { type: "item.done"; index: number; item: Item }
  /** Something the user should know that does not end the call. */
  | { type: "warning"; message: string }
  | {
      type: "completed";
      responseId: string | undefined;
      requestId: string | undefined;
      /** `undefined` when the model reported none. */
      usage: Usage | undefined;
    }
  | { type: "failed"; error: MohoError; usage: Usage | undefined };
