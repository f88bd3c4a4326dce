/** Writes settlements and audit records. A write that fails is owed and tried again; while any is owed, no call starts. */

import { MohoError, toMohoError } from "@moho/protocol";
import type { Ledger, Log, Settlement } from "@moho/store";
import type { Logger } from "./logger.ts";

/** The stream of the log that holds the audit. */
export const AUDIT_STREAM = "audit";

/** Milliseconds between two looks for leases that ended. */
const EXPIRY_MS = 30_000;

interface Entry {
  reservation: { id: string; settlement: Settlement } | undefined;
  /** `undefined` once it is written. */
  record: string | undefined;
}

export class Recorder {
  readonly #ledger: Ledger;
  readonly #log: Log;
  readonly #logger: Logger;
  #owed: Entry[] = [];
  #busy = false;
  #expiryFailed = false;
  #nextExpiry = 0;

  constructor(ledger: Ledger, log: Log, logger: Logger) {
    this.#ledger = ledger;
    this.#log = log;
    this.#logger = logger;
  }

  /** Throws `unavailable` while a record could not be written: a call that cannot be recorded must not happen. */
  check(): void {
    if (!this.healthy) {
      throw new MohoError("unavailable", "The gateway cannot write its records, so it takes no calls.", {
        retryAfter: 1,
      });
    }
  }

  /** Settles and records in one group commit. Never rejects: what fails is owed. */
  async write(record: string, reservation?: Entry["reservation"]): Promise<void> {
    const entry: Entry = { record, reservation };
    if (this.#owed.length > 0 || !(await this.#commit(entry))) this.#owed.push(entry);
  }

  /** Tries again what is owed, in order, and lets leases end. To be called about once a second; never rejects. */
  async upkeep(now: number): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    await this.#payOwed();
    if (now >= this.#nextExpiry) await this.#expire(now);
    this.#busy = false;
  }

  /** Everything could be written, as far as is known. */
  get healthy(): boolean {
    return this.#owed.length === 0 && !this.#expiryFailed;
  }

  /** How many calls are settled or recorded only in memory. */
  get owed(): number {
    return this.#owed.length;
  }

  async #payOwed(): Promise<void> {
    while (this.#owed.length > 0) {
      if (!(await this.#commit(this.#owed[0]!))) return;
      this.#owed.shift();
      if (this.#owed.length === 0) this.#logger.info("records are written again");
    }
  }

  async #expire(now: number): Promise<void> {
    const [result] = await Promise.allSettled([this.#ledger.expire(now)]);
    this.#expiryFailed = result.status === "rejected";
    if (result.status === "rejected") {
      this.#logger.error("leases could not be looked through", { cause: result.reason });
      return;
    }
    this.#nextExpiry = now + EXPIRY_MS;
    this.reportExpired(result.value);
  }

  /** Calls whose leases ended. */
  reportExpired(calls: number): void {
    if (calls === 0) return;
    this.#logger.warn("leases ended before their calls were settled: these count at their worst case", {
      calls,
    });
  }

  async #commit(entry: Entry): Promise<boolean> {
    const { reservation, record } = entry;
    const writes = [
      reservation && this.#ledger.settle(reservation.id, reservation.settlement),
      record === undefined ? undefined : this.#log.append(AUDIT_STREAM, [record]),
    ];
    const [settled, recorded] = await Promise.allSettled(writes);
    if (settled!.status === "fulfilled") entry.reservation = undefined;
    if (recorded!.status === "fulfilled") entry.record = undefined;
    for (const result of [settled!, recorded!]) {
      if (result.status === "fulfilled") continue;
      this.#logger.error("a call could not be settled and recorded", { cause: result.reason });
    }
    if (settled!.status === "rejected" && !toMohoError(settled!.reason).retryable) {
      // It will never be settled: its lease ends at the worst case. The record still must be written.
      entry.reservation = undefined;
    }
    return entry.reservation === undefined && entry.record === undefined;
  }
}
