/** How many calls of each principal run at one time: one caller must not use up what all share. */

import { MohoError } from "@moho/protocol";

export class InFlight {
  readonly #most: number;
  /** By ARN; only those that have calls. */
  readonly #running = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Throws `throttled` when the principal has as many calls as it may. */
  enter(arn: string): void {
    const running = this.#running.get(arn) ?? 0;
    if (running >= this.#most) {
      throw new MohoError("throttled", `This principal has ${running} calls running, as many as it may.`, {
        retryAfter: 1,
      });
    }
    this.#running.set(arn, running + 1);
  }

  leave(arn: string): void {
    const running = this.#running.get(arn)!;
    if (running === 1) this.#running.delete(arn);
    else this.#running.set(arn, running - 1);
  }
}
