/** The durable things: log, ledger, documents. Engines know these types; `open.ts` makes instances. */

import type { NanoUsd, Usage } from "@moho/protocol";

/** One record of an append-only stream. `hash` chains it to its predecessor (see `chain.ts`). */
export interface LogRecord {
  /** 1 for the first record of a stream, then without gaps. */
  seq: number;
  /** RFC 3339, UTC, milliseconds. */
  at: string;
  /** JSON text, exactly as appended. */
  body: string;
  /** Lower-case hex SHA-256 over the previous hash, seq, at and body. */
  hash: string;
}

export interface Log {
  /**
   * Appends in order and resolves once the records would survive a crash of this process. A back end that admits one
   * writer a stream claims it at the first append, also of no bodies, and holds it until `close`: `thread_busy`.
   * A body is JSON on one line. When writing fails (`unavailable`) the first of several records may be there.
   */
  append(stream: string, bodies: readonly string[]): Promise<LogRecord[]>;
  /** Records after `after` (default 0), in order. Verifies the chain while reading: a break throws `log_corrupt`. */
  read(stream: string, options?: { after?: number; limit?: number }): AsyncIterable<LogRecord>;
  last(stream: string): Promise<LogRecord | undefined>;
  /** Streams whose name starts with `prefix`, most recently appended first; at most `limit`. */
  streams(prefix?: string, limit?: number): Promise<{ stream: string; records: number; at: string }[]>;
  close(): Promise<void>;
}

export type Period = "daily" | "weekly" | "monthly" | "total";

/** A ceiling on what `scope` may spend in one period. UTC calendar periods; weeks start on Monday. */
export interface Budget {
  /** For example `organization`, `project/default`, `principal/<arn>`, `key/<id>`. */
  scope: string;
  limit: NanoUsd;
  period: Period;
  /** Whom to ask for more; shown to callers who are refused. */
  owner?: string;
}

export interface BudgetState extends Budget {
  /** Spent in the running period, overruns included. */
  settled: NanoUsd;
  reserved: NanoUsd;
  /** The part of `settled` that exceeded its reservations: `settled - overrun + reserved ≤ limit`. Absent when 0. */
  overrun?: NanoUsd;
  /** When the period ends, RFC 3339; absent for `total`. */
  resetsAt?: string;
}

export interface ReserveRequest {
  /** The caller's word for one call; it is remembered for at least a week. */
  id: string;
  /** Every enclosing budget's scope; a scope without a budget is unlimited but still counted. */
  scopes: readonly string[];
  /** The worst case. */
  amount: NanoUsd;
  /** The least that is still useful; when only this much is left the reservation is clamped to what remains. */
  least?: NanoUsd;
  /** Epoch milliseconds. */
  at: number;
  /** After this the reservation is released by anybody (its holder died). Epoch milliseconds. */
  leaseUntil: number;
}

export type ReserveResult =
  | { ok: true; amount: NanoUsd; clamped: boolean }
  /** The budget that refused, and what it has left. */
  | { ok: false; budget: BudgetState; remaining: NanoUsd };

export interface Settlement {
  amount: NanoUsd;
  usage: Usage | undefined;
  /** `estimated` when the true usage never arrived (the client cut the stream, the upstream died). */
  quality: "final" | "estimated";
}

/**
 * Money. Invariant at all times, for every budget: what was reserved, settled or not, stays within the limit.
 * A settlement above its reservation is recorded as it is and narrows what is left; `overrun` shows it. All amounts
 * count on the UTC day of their reservation, so a call that began before midnight belongs to the period it began in.
 * Amounts that are not whole, safe numbers from 0 are `invalid_request`.
 */
export interface Ledger {
  /** Sets the budget of a scope, whatever it was; what is spent and reserved counts at once against the new one. */
  putBudget(budget: Budget): Promise<void>;
  /** The scope stays counted. */
  removeBudget(scope: string): Promise<void>;
  /** The state of the given scopes' budgets, or of all in the order of their scopes. */
  budgets(at: number, scopes?: readonly string[]): Promise<BudgetState[]>;
  /**
   * All-or-nothing against every enclosing budget, in one transaction. The id of a reservation again gives the same
   * answer (`conflict` when it asks for something else); a refusal leaves nothing behind and may be asked again.
   */
  reserve(request: ReserveRequest): Promise<ReserveResult>;
  /**
   * Replaces the reservation by what was really spent. Idempotent: better knowledge replaces worse (an expiry, then
   * an estimate, then the final amount), anything else changes nothing. `not_found` for an id never reserved.
   */
  settle(id: string, settlement: Settlement): Promise<void>;
  /** Releases reservations whose lease ended: they settle at their full amount, flagged `estimated`. Returns how many. */
  expire(at: number): Promise<number>;
  /** Spent since the beginning of the UTC day of `from`, by scope: for reports. */
  spent(scope: string, from: number): Promise<{ amount: NanoUsd; usage: Usage; calls: number }>;
}

/** Small JSON documents by kind and id: principals, keys, policies, settings. No version of an id comes twice. */
export interface Documents {
  get<T>(kind: string, id: string): Promise<{ value: T; version: number } | undefined>;
  /** With `expected` (0 = must be new) a version mismatch throws `conflict`. Returns the new version. */
  put(kind: string, id: string, value: unknown, expected?: number): Promise<number>;
  delete(kind: string, id: string): Promise<boolean>;
  /** In id order, after `after`. */
  list<T>(
    kind: string,
    options?: { prefix?: string; after?: string; limit?: number },
  ): Promise<{ id: string; value: T; version: number }[]>;
}

export interface Store {
  log: Log;
  ledger: Ledger;
  documents: Documents;
  close(): Promise<void>;
}
