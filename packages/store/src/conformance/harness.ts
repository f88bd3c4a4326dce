/** What a conformance suite needs from whoever runs it: a way to declare a test, and fresh instances. */

import assert from "node:assert/strict";
import { type ErrorCode, MohoError } from "@moho/protocol";

/** `test` of `node:test`, of vitest, or any other. */
export type DeclareTest = (name: string, run: () => Promise<void>) => void;

export interface Instance<T> {
  subject: T;
  /** Closes the instance and opens another on what it left behind; absent where nothing is left. */
  reopen?: () => Promise<T>;
  /** Closes and removes everything. */
  dispose(): Promise<void>;
}

/** Makes a fresh, empty instance. `now` is its clock, epoch milliseconds. */
export type OpenInstance<T> = (now: () => number) => Promise<Instance<T>>;

/** 2026-03-10, a Tuesday, noon UTC. */
export const NOON = Date.UTC(2026, 2, 10, 12);
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** By the sentence that each one proves. */
export type Cases<T> = Record<
  string,
  (subject: T, instance: Instance<T> & { clock: Clock }) => Promise<void>
>;

/** What the instance takes for the time; cases may set it. */
export interface Clock {
  now: number;
}

/** Declares each case over an instance of its own. */
export function declareCases<T>(declare: DeclareTest, open: OpenInstance<T>, cases: Cases<T>): void {
  for (const [name, run] of Object.entries(cases)) {
    declare(name, async () => {
      const clock: Clock = { now: NOON };
      const instance = await open(() => clock.now);
      try {
        await run(instance.subject, { ...instance, clock });
      } finally {
        await instance.dispose();
      }
    });
  }
}

export async function refuses(code: ErrorCode, action: () => Promise<unknown>): Promise<MohoError> {
  let refusal: unknown;
  await assert.rejects(action, (error) => {
    refusal = error;
    return error instanceof MohoError && error.code === code;
  });
  return refusal as MohoError;
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
