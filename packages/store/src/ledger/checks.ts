/** What a ledger takes from outside: money that is whole, safe and not negative, times that exist. Pure. */

import { MohoError } from "@moho/protocol";
import type { Budget, ReserveRequest, Settlement } from "../ports.ts";

const PERIODS: readonly string[] = ["daily", "weekly", "monthly", "total"] satisfies Budget["period"][];
const MAX_NAME_LENGTH = 1_000;
const MAX_SCOPES = 64;
/** The end of the year 9999. */
const MAX_TIME = 253_402_300_799_999;

/** Throws `invalid_request` for the first field that cannot be. */
export function checkBudget({ scope, limit, period, owner }: Budget): void {
  checkName("scope", scope);
  checkCount("limit", limit);
  if (!PERIODS.includes(period)) throw invalid("period", `must be one of ${PERIODS.join(", ")}`);
  if (owner !== undefined) checkName("owner", owner);
}

/** Throws `invalid_request` for the first field that cannot be. */
export function checkReserve({ id, scopes, amount, least, at, leaseUntil }: ReserveRequest): void {
  checkName("id", id);
  if (scopes.length > MAX_SCOPES) throw invalid("scopes", `may be ${MAX_SCOPES} at most`);
  for (const scope of scopes) checkName("scopes", scope);
  checkCount("amount", amount);
  if (least !== undefined) checkCount("least", least);
  if (least !== undefined && least > amount) throw invalid("least", "must not be above `amount`");
  checkTime("at", at);
  checkTime("leaseUntil", leaseUntil);
  if (leaseUntil < at) throw invalid("leaseUntil", "must not be before `at`");
}

/** Throws `invalid_request` for the first field that cannot be. */
export function checkSettle(id: string, { amount, usage, quality }: Settlement): void {
  checkName("id", id);
  checkCount("amount", amount);
  if (quality !== "final" && quality !== "estimated")
    throw invalid("quality", "must be `final` or `estimated`");
  if (usage === undefined) return;
  for (const bucket of ["input", "cacheRead", "cacheWrite", "output", "reasoning"] as const) {
    checkCount(`usage.${bucket}`, usage[bucket]);
  }
}

export function checkTime(field: string, value: number): void {
  checkCount(field, value);
  if (value > MAX_TIME) throw invalid(field, "must be epoch milliseconds before the year 10000");
}

function checkName(field: string, value: string): void {
  if (value !== "" && value.length <= MAX_NAME_LENGTH && value.isWellFormed() && !value.includes("\0"))
    return;
  throw invalid(field, `must be text of 1 to ${MAX_NAME_LENGTH} characters`);
}

function checkCount(field: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw invalid(field, "must be a whole number from 0 to 2^53 - 1");
}

function invalid(field: string, rule: string): MohoError {
  return new MohoError("invalid_request", `The ledger refused \`${field}\`: it ${rule}.`);
}
