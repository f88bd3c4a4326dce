/** What every ledger promises. Money first: nothing is let in that could break a budget. */

import assert from "node:assert/strict";
import { NO_USAGE, type Usage } from "@moho/protocol";
import type { BudgetState, Ledger, Period, ReserveRequest, Settlement } from "../ports.ts";
import {
  type Cases,
  DAY,
  type DeclareTest,
  declareCases,
  HOUR,
  NOON,
  type OpenInstance,
  refuses,
} from "./harness.ts";
import { ledgerSchedule } from "./ledger-schedule.ts";

const USAGE: Usage = { input: 10, cacheRead: 20, cacheWrite: 30, output: 40, reasoning: 50 };

const ask = (id: string, amount: number, more: Partial<ReserveRequest> = {}): ReserveRequest => ({
  id,
  scopes: ["org", "key/1"],
  amount,
  at: NOON,
  leaseUntil: NOON + HOUR,
  ...more,
});
const final = (amount: number, usage?: Usage): Settlement => ({ amount, usage, quality: "final" });
const estimated = (amount: number, usage?: Usage): Settlement => ({ amount, usage, quality: "estimated" });
const org = async (ledger: Ledger, at = NOON): Promise<BudgetState> =>
  (await ledger.budgets(at, ["org"]))[0]!;

const CASES: Cases<Ledger> = {
  async "reserves up to the limit and not a nano-dollar more"(ledger) {
    await ledger.putBudget({ scope: "org", limit: 100, period: "daily", owner: "ann" });
    assert.deepEqual(await ledger.reserve(ask("1", 60)), { ok: true, amount: 60, clamped: false });
    const refusal = await ledger.reserve(ask("2", 41));
    const budget = {
      scope: "org",
      limit: 100,
      period: "daily",
      owner: "ann",
      settled: 0,
      reserved: 60,
      resetsAt: "2026-03-11T00:00:00.000Z",
    };
    assert.deepEqual(refusal, { ok: false, budget, remaining: 40 });
    assert.deepEqual(await ledger.reserve(ask("3", 40)), { ok: true, amount: 40, clamped: false });
    assert.equal((await ledger.reserve(ask("4", 1))).ok, false);
    assert.equal((await ledger.reserve(ask("5", 0))).ok, true);
  },

  async "reserves in all scopes or in none"(ledger) {
    await ledger.putBudget({ scope: "org", limit: 1000, period: "daily" });
    await ledger.putBudget({ scope: "project", limit: 30, period: "daily" });
    const scopes = ["org", "project", "key/1"];
    const refusal = await ledger.reserve(ask("1", 31, { scopes }));
    assert.equal(!refusal.ok && refusal.budget.scope, "project");
    assert.equal((await org(ledger)).reserved, 0);
    assert.equal((await ledger.reserve(ask("2", 30, { scopes }))).ok, true);
    assert.equal((await org(ledger)).reserved, 30);
    assert.equal((await ledger.reserve(ask("3", 1, { scopes: ["org"] }))).ok, true);
  },

  async "clamps to what remains while that is useful"(ledger) {
    await ledger.putBudget({ scope: "org", limit: 100, period: "daily" });
    await ledger.putBudget({ scope: "key/1", limit: 50, period: "daily" });
    assert.equal((await ledger.reserve(ask("1", 80, { least: 51 }))).ok, false);
    const clamped = { ok: true, amount: 50, clamped: true };
    assert.deepEqual(await ledger.reserve(ask("2", 80, { least: 50 })), clamped);
    assert.deepEqual(await ledger.reserve(ask("2", 80, { least: 50 })), clamped);
    assert.equal((await org(ledger)).reserved, 50);
  },

  async "gives the same answer to the same id, and does not charge it twice"(ledger) {
    await ledger.putBudget({ scope: "org", limit: 100, period: "daily" });
    const answers = await Promise.all([1, 2, 3].map(() => ledger.reserve(ask("1", 60))));
    for (const answer of answers) assert.deepEqual(answer, { ok: true, amount: 60, clamped: false });
    assert.equal((await org(ledger)).reserved, 60);
    await refuses("conflict", () => ledger.reserve(ask("1", 61)));
    await refuses("conflict", () => ledger.reserve(ask("1", 60, { scopes: ["key/1"] })));
    assert.equal((await ledger.reserve(ask("2", 41))).ok, false);
    await ledger.settle("1", final(10));
    assert.equal((await ledger.reserve(ask("1", 60))).ok, true);
    assert.equal((await ledger.reserve(ask("2", 41))).ok, true);
  },

  async "charges a scope that is named twice once"(ledger) {
    await ledger.putBudget({ scope: "org", limit: 100, period: "daily" });
    await ledger.reserve(ask("1", 60, { scopes: ["org", "org"] }));
    assert.equal((await org(ledger)).reserved, 60);
    await ledger.settle("1", final(5));
    assert.deepEqual(await ledger.spent("org", 0), { amount: 5, usage: NO_USAGE, calls: 1 });
  },

  async "settles once: better knowledge replaces worse, nothing else changes anything"(ledger) {
    await ledger.putBudget({ scope: "org", limit: 100, period: "daily" });
    await ledger.reserve(ask("1", 60));
    const spent = async () => (await ledger.spent("org", NOON)).amount;
    await ledger.settle("1", estimated(30, USAGE));
    await ledger.settle("1", estimated(99));
    assert.equal(await spent(), 30);
    await ledger.settle("1", final(20, { ...USAGE, input: 1 }));
    await ledger.settle("1", final(99));
    await ledger.settle("1", estimated(99));
    const { reserved, settled } = await org(ledger);
    assert.deepEqual({ reserved, settled }, { reserved: 0, settled: 20 });
    assert.deepEqual(await ledger.spent("key/1", 0), { amount: 20, usage: { ...USAGE, input: 1 }, calls: 1 });
    await refuses("not_found", () => ledger.settle("never", final(1)));
  },

  async "records a settlement above its reservation as it is, and lets nobody in because of it"(ledger) {
    await ledger.putBudget({ scope: "org", limit: 100, period: "daily" });
    await ledger.reserve(ask("1", 60));
    await ledger.reserve(ask("2", 40));
    await ledger.settle("1", final(90));
    const { settled, reserved, overrun } = await org(ledger);
    assert.deepEqual({ settled, reserved, overrun }, { settled: 90, reserved: 40, overrun: 30 });
    for (const amount of [0, 1]) {
      const refusal = await ledger.reserve(ask(`3/${amount}`, amount, { least: 0 }));
      assert.equal(!refusal.ok && refusal.remaining, 0);
    }
    await ledger.settle("2", final(0));
    assert.equal((await ledger.reserve(ask("4", 11))).ok, false);
    assert.equal((await ledger.reserve(ask("5", 10))).ok, true);
  },

  async "ends leases: nothing sticks, and the truth may still come"(ledger) {
    await ledger.putBudget({ scope: "org", limit: 100, period: "daily" });
    await ledger.reserve(ask("1", 60, { leaseUntil: NOON + 1000 }));
    await ledger.reserve(ask("2", 10, { leaseUntil: NOON + 9000 }));
    assert.equal(await ledger.expire(NOON + 999), 0);
    assert.equal(await ledger.expire(NOON + 1000), 1);
    assert.equal(await ledger.expire(NOON + 1000), 0);
    let { settled, reserved } = await org(ledger);
    assert.deepEqual({ settled, reserved }, { settled: 60, reserved: 10 });
    assert.equal((await ledger.reserve(ask("3", 31))).ok, false);
    await ledger.settle("1", estimated(50));
    await ledger.settle("1", final(20, USAGE));
    await ledger.settle("2", final(10));
    assert.equal(await ledger.expire(NOON + DAY), 0);
    ({ settled, reserved } = await org(ledger));
    assert.deepEqual({ settled, reserved }, { settled: 30, reserved: 0 });
    assert.deepEqual(await ledger.spent("org", NOON), { amount: 30, usage: USAGE, calls: 2 });
  },

  async "ends many leases, whoever held them"(ledger) {
    await ledger.putBudget({ scope: "org", limit: 5000, period: "daily" });
    await Promise.all(Array.from({ length: 1200 }, (_, index) => ledger.reserve(ask(`r${index}`, 2))));
    assert.equal(await ledger.expire(NOON + HOUR), 1200);
    assert.equal((await org(ledger)).reserved, 0);
    assert.equal((await ledger.spent("org", 0)).amount, 2400);
  },

  async "starts periods anew, and settles a call in the period it began in"(ledger) {
    const beforeMidnight = Date.UTC(2026, 2, 10, 23, 59, 59, 999);
    await ledger.putBudget({ scope: "org", limit: 100, period: "daily" });
    await ledger.reserve(ask("1", 100, { at: beforeMidnight, leaseUntil: beforeMidnight + HOUR }));
    assert.equal(
      (await ledger.reserve(ask("2", 1, { at: beforeMidnight, leaseUntil: beforeMidnight }))).ok,
      false,
    );
    const after = beforeMidnight + 1;
    assert.equal((await ledger.reserve(ask("3", 100, { at: after, leaseUntil: after }))).ok, true);
    await ledger.settle("1", final(30));
    assert.equal((await org(ledger, beforeMidnight)).settled, 30);
    const { settled, reserved } = await org(ledger, after);
    assert.deepEqual({ settled, reserved }, { settled: 0, reserved: 100 });
    // A clock that goes back finds the old period as it was left, and its own limit.
    assert.equal((await ledger.reserve(ask("4", 71, { at: beforeMidnight, leaseUntil: after }))).ok, false);
    assert.equal((await ledger.reserve(ask("5", 70, { at: beforeMidnight, leaseUntil: after }))).ok, true);
    assert.equal((await ledger.spent("org", after)).amount, 0);
    assert.equal((await ledger.spent("org", beforeMidnight)).amount, 30);
  },

  async "knows days, weeks from Monday, months and for ever"(ledger) {
    const resets: [Period, string | undefined, number, number][] = [
      ["daily", "2026-03-11T00:00:00.000Z", Date.UTC(2026, 2, 10), Date.UTC(2026, 2, 9, 23)],
      ["weekly", "2026-03-16T00:00:00.000Z", Date.UTC(2026, 2, 9), Date.UTC(2026, 2, 8, 23)],
      ["monthly", "2026-04-01T00:00:00.000Z", Date.UTC(2026, 2, 1), Date.UTC(2026, 1, 28, 23)],
      ["total", undefined, 0, -1],
    ];
    for (const [period, resetsAt, inside, outside] of resets) {
      await ledger.putBudget({ scope: period, limit: 10, period });
      const [state] = await ledger.budgets(NOON, [period]);
      assert.equal(state?.resetsAt, resetsAt);
      const reserve = (id: string, amount: number, at: number) =>
        ledger.reserve(ask(`${period}/${id}`, amount, { scopes: [period], at, leaseUntil: at }));
      assert.equal((await reserve("inside", 4, inside)).ok, true);
      if (outside >= 0) assert.equal((await reserve("outside", 10, outside)).ok, true);
      assert.equal((await reserve("too much", 7, NOON)).ok, false);
      assert.equal((await reserve("rest", 6, NOON)).ok, true);
    }
    assert.deepEqual(
      (await ledger.budgets(NOON)).map(({ scope }) => scope),
      ["daily", "monthly", "total", "weekly"],
    );
  },

  async "applies a changed budget at once, to what is open as well"(ledger) {
    await ledger.reserve(ask("1", 50, { at: NOON - DAY, leaseUntil: NOON }));
    await ledger.reserve(ask("2", 50));
    await ledger.putBudget({ scope: "org", limit: 60, period: "daily" });
    assert.equal((await org(ledger)).reserved, 50);
    await ledger.putBudget({ scope: "org", limit: 60, period: "weekly" });
    assert.equal((await org(ledger)).reserved, 100);
    assert.equal((await ledger.reserve(ask("3", 1))).ok, false);
    await ledger.settle("1", final(5));
    assert.equal((await ledger.reserve(ask("4", 5))).ok, true);
    await ledger.removeBudget("org");
    await ledger.removeBudget("org");
    assert.deepEqual(await ledger.budgets(NOON, ["org"]), []);
    assert.equal((await ledger.reserve(ask("5", 1_000_000))).ok, true);
    await ledger.settle("5", final(7));
    await ledger.putBudget({ scope: "org", limit: 1, period: "total" });
    const { settled, reserved } = await org(ledger);
    assert.deepEqual({ settled, reserved }, { settled: 12, reserved: 55 });
  },

  async "counts scopes without a budget, up to what can be counted"(ledger) {
    const most = Number.MAX_SAFE_INTEGER;
    assert.equal((await ledger.reserve(ask("1", most))).ok, true);
    const refusal = await ledger.reserve(ask("2", 1));
    assert.equal(!refusal.ok && refusal.budget.limit, most);
    await ledger.settle("1", final(3, USAGE));
    assert.deepEqual(await ledger.spent("key/1", NOON), { amount: 3, usage: USAGE, calls: 1 });
    assert.deepEqual(await ledger.spent("unknown", 0), { amount: 0, usage: NO_USAGE, calls: 0 });
    assert.deepEqual(await ledger.budgets(NOON), []);
  },

  async "refuses amounts and times that are none"(ledger) {
    await ledger.putBudget({ scope: "org", limit: 100, period: "daily" });
    await ledger.reserve(ask("open", 10));
    const bad = [Number.NaN, -1, 0.5, Number.POSITIVE_INFINITY, 2 ** 53, "5" as unknown as number];
    for (const amount of bad) {
      await refuses("invalid_request", () => ledger.reserve(ask("x", amount)));
      await refuses("invalid_request", () => ledger.reserve(ask("x", 5, { least: amount })));
      await refuses("invalid_request", () => ledger.reserve(ask("x", 5, { at: amount })));
      await refuses("invalid_request", () => ledger.reserve(ask("x", 5, { leaseUntil: amount })));
      await refuses("invalid_request", () => ledger.settle("open", final(amount)));
      await refuses("invalid_request", () => ledger.settle("open", final(1, { ...USAGE, output: amount })));
      await refuses("invalid_request", () =>
        ledger.putBudget({ scope: "s", limit: amount, period: "daily" }),
      );
      await refuses("invalid_request", () => ledger.expire(amount));
      await refuses("invalid_request", () => ledger.spent("org", amount));
    }
    const period = "hourly' OR 1=1" as unknown as Period;
    await refuses("invalid_request", () => ledger.putBudget({ scope: "s", limit: 1, period }));
    await refuses("invalid_request", () => ledger.reserve(ask("x", 5, { least: 6 })));
    await refuses("invalid_request", () => ledger.reserve(ask("", 5)));
    await refuses("invalid_request", () => ledger.reserve(ask("x", 5, { scopes: [""] })));
    await refuses("invalid_request", () => ledger.reserve(ask("x", 5, { leaseUntil: NOON - 1 })));
    const { settled, reserved } = await org(ledger);
    assert.deepEqual({ settled, reserved }, { settled: 0, reserved: 10 });
  },

  async "is not confused by names made to confuse it"(ledger) {
    const names = ["__proto__", "constructor", "'); DROP TABLE budget; --", 'a"b', "a,b", "%", "a\nb", "😀"];
    for (const [index, scope] of names.entries()) {
      await ledger.putBudget({ scope, limit: 10 + index, period: "daily", owner: scope });
      assert.equal((await ledger.reserve(ask(scope, 10 + index, { scopes: [scope] }))).ok, true);
      await ledger.settle(scope, final(index, USAGE));
    }
    for (const [index, scope] of names.entries()) {
      const [state] = await ledger.budgets(NOON, [scope]);
      assert.deepEqual([state?.owner, state?.settled, state?.reserved], [scope, index, 0]);
    }
  },

  async "remembers closed reservations for a week, open ones for ever"(ledger) {
    const forEver = { leaseUntil: NOON + 1000 * DAY };
    await ledger.reserve(ask("closed", 10));
    await ledger.reserve(ask("open", 10, forEver));
    await ledger.settle("closed", final(1));
    await ledger.expire(NOON + 7 * DAY);
    await ledger.settle("closed", final(1));
    await ledger.expire(NOON + 8 * DAY);
    await refuses("not_found", () => ledger.settle("closed", final(1)));
    assert.deepEqual(await ledger.reserve(ask("open", 10, forEver)), {
      ok: true,
      amount: 10,
      clamped: false,
    });
    await ledger.putBudget({ scope: "org", limit: 100, period: "total" });
    assert.equal((await org(ledger)).reserved, 10);
    await ledger.settle("open", final(2));
    assert.equal((await ledger.spent("org", 0)).amount, 3);
  },

  async "keeps everything"(ledger, { reopen }) {
    await ledger.putBudget({ scope: "org", limit: 100, period: "daily" });
    await ledger.reserve(ask("1", 60));
    await ledger.reserve(ask("2", 30));
    await ledger.settle("1", final(10, USAGE));
    const again = reopen ? await reopen() : ledger;
    const { settled, reserved } = await org(again);
    assert.deepEqual({ settled, reserved }, { settled: 10, reserved: 30 });
    await again.settle("2", final(30));
    assert.equal((await again.spent("org", 0)).amount, 40);
  },
};

export function ledgerConformance(declare: DeclareTest, open: OpenInstance<Ledger>): void {
  declareCases(declare, open, CASES);
  for (const seed of [1, 2, 3, 4]) {
    declareCases(declare, open, {
      [`holds every budget at all times under a random schedule (seed ${seed})`]: (ledger) =>
        ledgerSchedule(ledger, seed),
    });
  }
}
