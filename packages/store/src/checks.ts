/** What logs, ledgers and documents share of checking and refusing. Pure. */

import { MohoError } from "@moho/protocol";

/** Throws `invalid_request` unless both are whole numbers from zero. */
export function checkRange(after: number, limit: number | undefined): void {
  for (const value of [after, limit ?? 0]) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw new MohoError("invalid_request", `${value} is no place in a list: use whole numbers from 0.`);
  }
}

/** The answer of everything in a store that has been closed. */
export function closed(): MohoError {
  return new MohoError("unavailable", "The store is closed.");
}
