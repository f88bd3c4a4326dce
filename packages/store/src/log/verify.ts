/** Proves that a stream is what was appended to it. */

import { MohoError } from "@moho/protocol";
import { type ChainReport, GENESIS } from "../chain.ts";
import type { Log } from "../ports.ts";

/**
 * Walks a whole stream, one record at a time, and reports how far its chain holds. A chain alone cannot tell that
 * its end was cut off: compare `records` and `hash` with what was sealed elsewhere.
 */
export async function verifyStream(log: Log, stream: string): Promise<ChainReport> {
  let records = 0;
  let hash = GENESIS.hash;
  try {
    for await (const record of log.read(stream)) {
      records++;
      hash = record.hash;
    }
  } catch (error) {
    // A log refuses to hand out what does not verify; here that refusal is the finding, not a failure.
    if (!(error instanceof MohoError) || error.code !== "log_corrupt") throw error;
    return { ok: false, records, hash, brokenAt: records + 1, reason: String(error.details?.["reason"]) };
  }
  return { ok: true, records, hash };
}
