/**
 * A ledger in an SQLite database: one row for each scope and UTC day, which any period is a range of, and one for
 * each reservation. Statements are prepared by hand: they are the hot path of a gateway.
 */

import type { DatabaseSync } from "node:sqlite";
import type { Usage } from "@moho/protocol";
import type { Budget, BudgetState, Ledger } from "../ports.ts";
import type { GroupCommit } from "../sqlite/group-commit.ts";
import { checkBudget, checkReserve, checkSettle, checkTime } from "./checks.ts";
import { dayOf, periodAround } from "./periods.ts";
import {
  type Account,
  admit,
  budgetOr,
  expiry,
  MEMORY_DAYS,
  type Outcome,
  posting,
  type Quality,
  type Reservation,
  reservationOf,
  type Sums,
  sameAnswer,
  scopesOf,
  stateOf,
  unknownReservation,
} from "./rules.ts";

/** How much one transaction of `expire` does: it shares the event loop with everybody's requests. */
const EXPIRE_BATCH = 500;
const FORGET_BATCH = 2_000;

export function openSqliteLedger(database: DatabaseSync, commit: GroupCommit): Ledger {
  return new SqliteLedger(database, commit);
}

interface BudgetRow {
  scope: string;
  ceiling: number;
  period: Budget["period"];
  owner: string | null;
}

interface ReservationRow {
  id: string;
  scopes: string;
  day: number;
  asked: number;
  least: number | null;
  amount: number;
  lease_until: number;
  quality: Quality | null;
  settled: number;
  usage: string | null;
}

class SqliteLedger implements Ledger {
  readonly #commit: GroupCommit;
  readonly #sql: ReturnType<typeof statements>;

  constructor(database: DatabaseSync, commit: GroupCommit) {
    this.#commit = commit;
    this.#sql = statements(database);
  }

  async putBudget(budget: Budget): Promise<void> {
    checkBudget(budget);
    const { scope, limit, period, owner = null } = budget;
    await this.#commit.write(() => this.#sql.putBudget.run(scope, limit, period, owner));
  }

  async removeBudget(scope: string): Promise<void> {
    await this.#commit.write(() => this.#sql.removeBudget.run(scope));
  }

  async budgets(at: number, scopes?: readonly string[]): Promise<BudgetState[]> {
    checkTime("at", at);
    return this.#commit.read(() => {
      const budgets =
        scopes === undefined
          ? (this.#sql.allBudgets.all() as unknown as BudgetRow[]).map(budgetOf)
          : scopes.flatMap((scope) => this.#budget(scope) ?? []);
      return budgets.map((budget) => stateOf(this.#account(budget, dayOf(at)), at));
    });
  }

  async reserve(request: Parameters<Ledger["reserve"]>[0]): ReturnType<Ledger["reserve"]> {
    checkReserve(request);
    const scopes = scopesOf(request);
    return await this.#commit.write(() => {
      const known = this.#reservation(request.id);
      if (known) return sameAnswer(known, request, scopes);
      const day = dayOf(request.at);
      const accounts = scopes.map((scope) => this.#account(budgetOr(scope, this.#budget(scope)), day));
      const result = admit(request, accounts);
      if (result.ok) this.#add(reservationOf(request, scopes, result.amount));
      return result;
    });
  }

  async settle(id: string, settlement: Parameters<Ledger["settle"]>[1]): Promise<void> {
    checkSettle(id, settlement);
    await this.#commit.write(() => {
      const reservation = this.#reservation(id);
      if (reservation === undefined) throw unknownReservation(id);
      this.#close(reservation, settlement);
    });
  }

  async expire(at: number): Promise<number> {
    checkTime("at", at);
    await this.#commit.write(() => this.#sql.forget.run(FORGET_BATCH, dayOf(at) - MEMORY_DAYS));
    for (let count = 0; ; ) {
      const expired = await this.#commit.write(() => this.#expireSome(at));
      count += expired;
      if (expired < EXPIRE_BATCH) return count;
    }
  }

  async spent(scope: string, from: number): ReturnType<Ledger["spent"]> {
    checkTime("from", from);
    const sums = this.#commit.read(() => this.#sql.spent.get(scope, dayOf(from)));
    const { amount, calls, ...usage } = sums as unknown as Usage & { amount: number; calls: number };
    return { amount, usage, calls };
  }

  #expireSome(at: number): number {
    const rows = this.#sql.due.all(at, EXPIRE_BATCH) as unknown as ReservationRow[];
    for (const row of rows) {
      const reservation = reservationFrom(row);
      this.#close(reservation, expiry(reservation));
    }
    return rows.length;
  }

  #budget(scope: string): Budget | undefined {
    const row = this.#sql.findBudget.get(scope) as BudgetRow | undefined;
    return row && budgetOf(row);
  }

  #account(budget: Budget, day: number): Account {
    const { from, to } = periodAround(budget.period, day);
    const { settled, reserved, overrun } = this.#sql.sums.get(budget.scope, from, to) as unknown as Sums;
    return { budget, settled, reserved, overrun };
  }

  #reservation(id: string): Reservation | undefined {
    const row = this.#sql.findReservation.get(id) as ReservationRow | undefined;
    return row && reservationFrom(row);
  }

  #add({ id, scopes, day, asked, least, amount, leaseUntil }: Reservation): void {
    this.#sql.addReservation.run(id, JSON.stringify(scopes), day, asked, least ?? null, amount, leaseUntil);
    for (const scope of scopes) this.#sql.hold.run(scope, day, amount);
  }

  #close(reservation: Reservation, outcome: Outcome): void {
    const change = posting(reservation, outcome);
    if (change === undefined) return;
    const { reserved, settled, overrun, calls, usage } = change;
    const { input, cacheRead, cacheWrite, output, reasoning } = usage;
    const { id, scopes, day } = reservation;
    const known = outcome.usage === undefined ? null : JSON.stringify(outcome.usage);
    this.#sql.closeReservation.run(outcome.quality, outcome.amount, known, id);
    for (const scope of scopes) {
      this.#sql.post.run(
        reserved,
        settled,
        overrun,
        calls,
        input,
        cacheRead,
        cacheWrite,
        output,
        reasoning,
        scope,
        day,
      );
    }
  }
}

/** Sums are `total`, a floating point number, because a sum over years may be too large for an exact one. */
function statements(database: DatabaseSync) {
  return {
    putBudget: database.prepare(
      `INSERT INTO budget (scope, ceiling, period, owner) VALUES (?, ?, ?, ?)
         ON CONFLICT (scope) DO UPDATE SET ceiling = excluded.ceiling, period = excluded.period, owner = excluded.owner`,
    ),
    removeBudget: database.prepare("DELETE FROM budget WHERE scope = ?"),
    allBudgets: database.prepare("SELECT scope, ceiling, period, owner FROM budget ORDER BY scope"),
    findBudget: database.prepare("SELECT scope, ceiling, period, owner FROM budget WHERE scope = ?"),
    sums: database.prepare(
      `SELECT total(settled) AS settled, total(reserved) AS reserved, total(overrun) AS overrun
         FROM spend WHERE scope = ? AND day >= ? AND day < ?`,
    ),
    spent: database.prepare(
      `SELECT total(settled) AS amount, total(calls) AS calls, total(input) AS input,
         total(cache_read) AS cacheRead, total(cache_write) AS cacheWrite, total(output) AS output,
         total(reasoning) AS reasoning FROM spend WHERE scope = ? AND day >= ?`,
    ),
    findReservation: database.prepare("SELECT * FROM reservation WHERE id = ?"),
    due: database.prepare("SELECT * FROM reservation WHERE quality IS NULL AND lease_until <= ? LIMIT ?"),
    addReservation: database.prepare(
      `INSERT INTO reservation (id, scopes, day, asked, least, amount, lease_until) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ),
    closeReservation: database.prepare(
      "UPDATE reservation SET quality = ?, settled = ?, usage = ? WHERE id = ?",
    ),
    forget: database.prepare(
      `DELETE FROM reservation WHERE number IN (SELECT number FROM reservation ORDER BY number LIMIT ?)
         AND day < ? AND quality IS NOT NULL`,
    ),
    hold: database.prepare(
      `INSERT INTO spend (scope, day, reserved) VALUES (?, ?, ?)
         ON CONFLICT (scope, day) DO UPDATE SET reserved = reserved + excluded.reserved`,
    ),
    post: database.prepare(
      `UPDATE spend SET reserved = reserved + ?, settled = settled + ?, overrun = overrun + ?, calls = calls + ?,
         input = input + ?, cache_read = cache_read + ?, cache_write = cache_write + ?, output = output + ?,
         reasoning = reasoning + ? WHERE scope = ? AND day = ?`,
    ),
  };
}

function budgetOf({ scope, ceiling, period, owner }: BudgetRow): Budget {
  return { scope, limit: ceiling, period, ...(owner !== null && { owner }) };
}

function reservationFrom(row: ReservationRow): Reservation {
  const { id, day, asked, amount, quality, settled } = row;
  const usage = row.usage === null ? undefined : (JSON.parse(row.usage) as Usage);
  return {
    id,
    scopes: JSON.parse(row.scopes) as string[],
    day,
    asked,
    least: row.least ?? undefined,
    amount,
    leaseUntil: row.lease_until,
    outcome: quality === null ? undefined : { amount: settled, usage, quality },
  };
}
