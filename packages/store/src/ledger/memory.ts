/** A ledger that lives as long as its process. */

import { addUsage, type NanoUsd, NO_USAGE, type Usage } from "@moho/protocol";
import type { Budget, BudgetState, Ledger, ReserveRequest, ReserveResult, Settlement } from "../ports.ts";
import { checkBudget, checkReserve, checkSettle, checkTime } from "./checks.ts";
import { dayOf, periodAround } from "./periods.ts";
import {
  type Account,
  admit,
  budgetOr,
  expiry,
  MEMORY_DAYS,
  type Outcome,
  type Posting,
  posting,
  type Reservation,
  reservationOf,
  sameAnswer,
  scopesOf,
  stateOf,
  unknownReservation,
} from "./rules.ts";

const NOTHING: Posting = { reserved: 0, settled: 0, overrun: 0, calls: 0, usage: NO_USAGE };

export function openMemoryLedger(): Ledger {
  return new MemoryLedger();
}

class MemoryLedger implements Ledger {
  readonly #budgets = new Map<string, Budget>();
  /** By scope, then by day. */
  readonly #spend = new Map<string, Map<number, Posting>>();
  readonly #reservations = new Map<string, Reservation>();

  async putBudget(budget: Budget): Promise<void> {
    checkBudget(budget);
    this.#budgets.set(budget.scope, { ...budget });
  }

  async removeBudget(scope: string): Promise<void> {
    this.#budgets.delete(scope);
  }

  async budgets(at: number, scopes?: readonly string[]): Promise<BudgetState[]> {
    checkTime("at", at);
    return (scopes ?? [...this.#budgets.keys()].sort()).flatMap((scope) => {
      const budget = this.#budgets.get(scope);
      return budget ? [stateOf(this.#account(budget, dayOf(at)), at)] : [];
    });
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    checkReserve(request);
    const scopes = scopesOf(request);
    const known = this.#reservations.get(request.id);
    if (known) return sameAnswer(known, request, scopes);
    const day = dayOf(request.at);
    const accounts = scopes.map((scope) => this.#account(budgetOr(scope, this.#budgets.get(scope)), day));
    const result = admit(request, accounts);
    if (!result.ok) return result;
    const reservation = reservationOf(request, scopes, result.amount);
    this.#reservations.set(request.id, reservation);
    this.#post(reservation, { ...NOTHING, reserved: result.amount });
    return result;
  }

  async settle(id: string, settlement: Settlement): Promise<void> {
    checkSettle(id, settlement);
    const reservation = this.#reservations.get(id);
    if (reservation === undefined) throw unknownReservation(id);
    this.#close(reservation, { ...settlement });
  }

  async expire(at: number): Promise<number> {
    checkTime("at", at);
    let count = 0;
    for (const [id, reservation] of this.#reservations) {
      if (reservation.outcome && reservation.day < dayOf(at) - MEMORY_DAYS) this.#reservations.delete(id);
      if (reservation.outcome || reservation.leaseUntil > at) continue;
      this.#close(reservation, expiry(reservation));
      count++;
    }
    return count;
  }

  async spent(scope: string, from: number): Promise<{ amount: NanoUsd; usage: Usage; calls: number }> {
    checkTime("from", from);
    const { settled, usage, calls } = this.#total(scope, dayOf(from));
    return { amount: settled, usage, calls };
  }

  #total(scope: string, from: number, to = Number.POSITIVE_INFINITY): Posting {
    let sum = NOTHING;
    for (const [day, posted] of this.#spend.get(scope) ?? []) {
      if (day >= from && day < to) sum = add(sum, posted);
    }
    return sum;
  }

  #account(budget: Budget, day: number): Account {
    const { from, to } = periodAround(budget.period, day);
    return { budget, ...this.#total(budget.scope, from, to) };
  }

  #post({ scopes, day }: Reservation, change: Posting): void {
    for (const scope of scopes) {
      const days = this.#spend.get(scope) ?? new Map<number, Posting>();
      this.#spend.set(scope, days.set(day, add(days.get(day) ?? NOTHING, change)));
    }
  }

  #close(reservation: Reservation, outcome: Outcome): void {
    const change = posting(reservation, outcome);
    if (change === undefined) return;
    this.#post(reservation, change);
    reservation.outcome = outcome;
  }
}

function add(a: Posting, b: Posting): Posting {
  return {
    reserved: a.reserved + b.reserved,
    settled: a.settled + b.settled,
    overrun: a.overrun + b.overrun,
    calls: a.calls + b.calls,
    usage: addUsage(a.usage, b.usage),
  };
}
