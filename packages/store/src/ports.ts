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
  /** Appends in order and resolves once the records would survive a crash of this process. */
  append(stream: string, bodies: readonly string[]): Promise<LogRecord[]>;
  /** Records after `after` (default 0), in order. Verifies the chain while reading: a break throws `log_corrupt`. */
  read(stream: string, options?: { after?: number; limit?: number }): AsyncIterable<LogRecord>;
  last(stream: string): Promise<LogRecord | undefined>;
  /** Streams whose name starts with `prefix`, most recently appended first. */
  streams(prefix?: string): Promise<{ stream: string; records: number; at: string }[]>;
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
  settled: NanoUsd;
  reserved: NanoUsd;
  /** When the period ends, RFC 3339; absent for `total`. */
  resetsAt?: string;
}

export interface ReserveRequest {
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

/** Money. Invariant at all times, for every budget: settled + reserved ≤ limit. */
export interface Ledger {
  putBudget(budget: Budget): Promise<void>;
  removeBudget(scope: string): Promise<void>;
  /** The state of the given scopes' budgets, or of all. */
  budgets(at: number, scopes?: readonly string[]): Promise<BudgetState[]>;
  /** All-or-nothing against every enclosing budget, in one transaction. The same id again gives the same answer. */
  reserve(request: ReserveRequest): Promise<ReserveResult>;
  /** Replaces the reservation by what was really spent (never more than was reserved counts against the invariant). Idempotent. */
  settle(id: string, settlement: Settlement): Promise<void>;
  /** Releases reservations whose lease ended: they settle at their full amount, flagged `estimated`. Returns how many. */
  expire(at: number): Promise<number>;
  /** Spent since `from` by scope: for reports. */
  spent(scope: string, from: number): Promise<{ amount: NanoUsd; usage: Usage; calls: number }>;
}

/** Small JSON documents by kind and id: principals, keys, policies, settings. */
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
