/** Reads members of a client's parsed body. A wrong kind is `invalid_request` naming the JSON path; `null` is absent. */

import { invalidAt } from "./notes.ts";

export type Raw = Readonly<Record<string, unknown>>;

export function expectObject(value: unknown, path: string): Raw {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidAt(path, "must be an object");
  }
  return value as Raw;
}

export function expectArray(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalidAt(path, "must be an array");
  return value;
}

export function expectString(value: unknown, path: string): string {
  if (typeof value !== "string") throw invalidAt(path, "must be a string");
  return value;
}

export function expectName(value: unknown, path: string): string {
  if (typeof value !== "string" || value === "") throw invalidAt(path, "must be a string that is not empty");
  return value;
}

export function expectNumber(value: unknown, path: string): number {
  if (typeof value !== "number") throw invalidAt(path, "must be a number");
  return value;
}

export function expectCount(value: unknown, path: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 1) {
    throw invalidAt(path, "must be a whole number from 1");
  }
  return value as number;
}

export function expectBoolean(value: unknown, path: string): boolean {
  if (typeof value !== "boolean") throw invalidAt(path, "must be true or false");
  return value;
}

/** The member read with `expect`, or `undefined` when it is absent or `null`. */
export function optional<T>(
  raw: Raw,
  key: string,
  path: string,
  expect: (value: unknown, path: string) => T,
): T | undefined {
  const value = Object.hasOwn(raw, key) ? raw[key] : undefined;
  if (value === undefined || value === null) return undefined;
  return expect(value, path === "" ? key : `${path}.${key}`);
}

/** The given members that are not `undefined`, in the order in which they stand. */
export function defined<T extends object>(members: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const kept = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as { [K in keyof T]: Exclude<T[K], undefined> };
}
