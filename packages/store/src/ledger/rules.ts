/** The rules of the money, the same for every back end: who is let in, and what a settlement changes. Pure. */

import { MohoError, type NanoUsd, NO_USAGE, type Usage } from "@moho/protocol";
import type { Budget, BudgetState, ReserveRequest, ReserveResult, Settlement } from "../ports.ts";
import { dayOf, resetOf } from "./periods.ts";

/** For how many days a closed reservation is remembered, so that a repeated `reserve` or `settle` finds it. */
export const MEMORY_DAYS = 7;

/** What a scope has spent and promised. */
export interface Sums {
  settled: NanoUsd;
  reserved: NanoUsd;
  overrun: NanoUsd;
}

/** A budget, and the sums of its period. */
export interface Account extends Sums {
  budget: Budget;
}

/** Worse knowledge first: only a better one replaces what is known. */
const QUALITIES = ["expired", "estimated", "final"] as const;
export type Quality = (typeof QUALITIES)[number];

export interface Reservation {
  id: string;
  scopes: readonly string[];
  /** The UTC day on which it counts, since 1970-01-01. */
  day: number;
  asked: NanoUsd;
  least: NanoUsd | undefined;
  amount: NanoUsd;
  /** Epoch milliseconds. */
  leaseUntil: number;
  outcome: Outcome | undefined;
}

export interface Outcome {
  amount: NanoUsd;
  usage: Usage | undefined;
  quality: Quality;
}

/** What changes in each of a reservation's scopes on its day. */
export interface Posting extends Sums {
  calls: number;
  usage: Usage;
}

/** A scope without a budget is held to what can be counted exactly, a day. */
export function budgetOr(scope: string, budget: Budget | undefined): Budget {
  return budget ?? { scope, limit: Number.MAX_SAFE_INTEGER, period: "daily" };
}

/** The tightest account decides. Clamps to what remains when that is still useful. */
export function admit(request: ReserveRequest, accounts: readonly Account[]): ReserveResult {
  const { amount, least = amount, at } = request;
  let tightest: Account | undefined;
  let remaining = Number.POSITIVE_INFINITY;
  for (const account of accounts) {
    const left = account.budget.limit - account.settled - account.reserved;
    if (left >= remaining) continue;
    tightest = account;
    remaining = left;
  }
  if (tightest === undefined || amount <= remaining) return { ok: true, amount, clamped: false };
  if (least <= remaining) return { ok: true, amount: remaining, clamped: true };
  return { ok: false, budget: stateOf(tightest, at), remaining: Math.max(0, remaining) };
}

export function stateOf({ budget, settled, reserved, overrun }: Account, at: number): BudgetState {
  const resetsAt = resetOf(budget.period, at);
  return {
    ...budget,
    settled,
    reserved,
    ...(overrun > 0 && { overrun }),
    ...(resetsAt !== undefined && { resetsAt }),
  };
}

/** Each scope once: one named twice is charged once. */
export function scopesOf(request: ReserveRequest): string[] {
  return [...new Set(request.scopes)];
}

export function reservationOf(
  request: ReserveRequest,
  scopes: readonly string[],
  amount: NanoUsd,
): Reservation {
  const { id, amount: asked, least, at, leaseUntil } = request;
  return { id, scopes, day: dayOf(at), asked, least, amount, leaseUntil, outcome: undefined };
}

/** The answer that was given before. Throws `conflict` when the same id now asks for something else. */
export function sameAnswer(
  known: Reservation,
  request: ReserveRequest,
  scopes: readonly string[],
): ReserveResult {
  const same =
    known.asked === request.amount &&
    known.least === request.least &&
    known.scopes.length === scopes.length &&
    known.scopes.every((scope, index) => scope === scopes[index]);
  if (!same) {
    throw new MohoError("conflict", `The reservation "${known.id}" exists, and asked for something else.`);
  }
  return { ok: true, amount: known.amount, clamped: known.amount < known.asked };
}

/** How the settlement of a lease that ended reads: the worst case stands until somebody knows better. */
export function expiry(reservation: Reservation): Outcome {
  return { amount: reservation.amount, usage: undefined, quality: "expired" };
}

/** What settling changes; `undefined` when as much or more is known already. */
export function posting(reservation: Reservation, outcome: Settlement | Outcome): Posting | undefined {
  const before = reservation.outcome;
  if (before !== undefined && QUALITIES.indexOf(outcome.quality) <= QUALITIES.indexOf(before.quality)) {
    return undefined;
  }
  const overrun = (amount: NanoUsd) => Math.max(0, amount - reservation.amount);
  return {
    reserved: before === undefined ? -reservation.amount : 0,
    settled: outcome.amount - (before?.amount ?? 0),
    overrun: overrun(outcome.amount) - overrun(before?.amount ?? 0),
    calls: before === undefined ? 1 : 0,
    usage: difference(outcome.usage ?? NO_USAGE, before?.usage ?? NO_USAGE),
  };
}

export function unknownReservation(id: string): MohoError {
  return new MohoError("not_found", `There is no reservation "${id}".`);
}

function difference(a: Readonly<Usage>, b: Readonly<Usage>): Usage {
  return {
    input: a.input - b.input,
    cacheRead: a.cacheRead - b.cacheRead,
    cacheWrite: a.cacheWrite - b.cacheWrite,
    output: a.output - b.output,
    reasoning: a.reasoning - b.reasoning,
  };
}
