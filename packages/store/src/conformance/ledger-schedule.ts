/** A random but repeatable life of a ledger, checked after each step against a plain account of what must hold. */

import assert from "node:assert/strict";
import type { Budget, Ledger, Period } from "../ports.ts";
import { DAY, HOUR, NOON } from "./harness.ts";

const STEPS = 400;
const SCOPES = ["org", "project/a", "project/b", "key/1", "key/2", "key/3"];
const PERIODS: Period[] = ["daily", "weekly", "monthly", "total"];

interface Open {
  id: string;
  amount: number;
  leaseUntil: number;
}

/** Limits are only raised, so that the invariant needs no exception. */
export async function ledgerSchedule(ledger: Ledger, seed: number): Promise<void> {
  const random = generator(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const upTo = (most: number) => Math.floor(random() * (most + 1));
  const budgets = new Map<string, Budget>();
  let open: Open[] = [];
  let at = NOON;
  let settled = 0;

  const steps: Record<string, () => Promise<void>> = {
    async budget() {
      const scope = pick(SCOPES);
      const known = budgets.get(scope);
      const limit = (known?.limit ?? 500) + upTo(100);
      const budget: Budget = { scope, limit, period: known?.period ?? pick(PERIODS) };
      const taken = await ledger.spent(scope, 0);
      if (known === undefined && (taken.amount > 0 || open.length > 0)) return;
      budgets.set(scope, budget);
      await ledger.putBudget(budget);
    },
    async reserve() {
      const scopes = ["org", pick(["project/a", "project/b"]), pick(["key/1", "key/2", "key/3"])];
      const asks = Array.from({ length: 1 + upTo(5) }, () => {
        const amount = upTo(120);
        const least = random() < 0.3 ? upTo(amount) : undefined;
        const id = `${seed}/${random()}`;
        return { id, scopes, amount, at, leaseUntil: at + upTo(HOUR), ...(least !== undefined && { least }) };
      });
      const results = await Promise.all(asks.map((ask) => ledger.reserve(ask)));
      for (const [index, result] of results.entries()) {
        const { id, leaseUntil, amount, least = amount } = asks[index]!;
        if (!result.ok) assert.ok(result.remaining < least);
        else {
          assert.ok(result.amount <= amount && result.amount >= least);
          open.push({ id, amount: result.amount, leaseUntil });
        }
      }
    },
    async settle() {
      const [reservation] = open.splice(upTo(Math.max(0, open.length - 1)), 1);
      if (reservation === undefined) return;
      const amount = upTo(reservation.amount);
      settled += amount;
      await ledger.settle(reservation.id, { amount, usage: undefined, quality: "final" });
      if (random() < 0.3) {
        await ledger.settle(reservation.id, { amount: 9999, usage: undefined, quality: "final" });
      }
    },
    async expire() {
      const due = open.filter(({ leaseUntil }) => leaseUntil <= at);
      open = open.filter(({ leaseUntil }) => leaseUntil > at);
      assert.equal(await ledger.expire(at), due.length);
      for (const { id, amount } of due) {
        // Half of the holders were only slow: their truth corrects the estimate.
        const truth = random() < 0.5 ? upTo(amount) : amount;
        settled += truth;
        if (truth !== amount) await ledger.settle(id, { amount: truth, usage: undefined, quality: "final" });
      }
    },
    async time() {
      at += random() < 0.1 ? DAY : upTo(HOUR);
      if (random() < 0.1) at -= upTo(DAY);
    },
  };
  const weighted = ["budget", "reserve", "reserve", "reserve", "settle", "settle", "expire", "time"];

  for (let step = 0; step < STEPS; step++) {
    await steps[pick(weighted)]!();
    for (const budget of await ledger.budgets(at)) {
      assert.ok(budget.reserved >= 0 && budget.settled >= 0, `step ${step}: ${JSON.stringify(budget)}`);
      assert.ok(budget.settled + budget.reserved <= budget.limit, `step ${step}: ${JSON.stringify(budget)}`);
    }
    assert.equal((await ledger.spent("org", 0)).amount, settled, `step ${step}`);
  }
  await ledger.expire(at + DAY * 400);
  for (const budget of await ledger.budgets(at)) assert.equal(budget.reserved, 0);
}

/** Mulberry32: small, and the same everywhere. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
