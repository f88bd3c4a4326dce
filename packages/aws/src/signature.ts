/** The arithmetic of Signature Version 4: scope, string to sign, derived key, signature. */

import { createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { sha256OfBytes } from "./canonical.ts";

export const ALGORITHM = "AWS4-HMAC-SHA256";
export const TERMINATOR = "aws4_request";
export const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

export interface Scope {
  /** `yyyymmdd`, UTC. */
  date: string;
  region: string;
  service: string;
}

/** `yyyymmddThhmmssZ` of epoch milliseconds. */
export function formatAmzDate(at: number): string {
  return new Date(at).toISOString().replace(/[-:]|\.\d{3}/g, "");
}

/** Epoch milliseconds of `yyyymmddThhmmssZ`; `undefined` for anything else. */
export function parseAmzDate(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** The signature, lower-case hex, of a canonical request (a byte string). */
export function signatureOf(canonical: string, amzDate: string, scope: Scope, key: KeyObject): string {
  const text = `${ALGORITHM}\n${amzDate}\n${scope.date}/${scope.region}/${scope.service}/${TERMINATOR}\n${sha256OfBytes(canonical)}`;
  return createHmac("sha256", key).update(text).digest("hex");
}

export function deriveSigningKey(secretAccessKey: string, scope: Scope): KeyObject {
  let key: Buffer = Buffer.from(`AWS4${secretAccessKey}`, "utf8");
  for (const part of [scope.date, scope.region, scope.service, TERMINATOR])
    key = createHmac("sha256", key).update(part).digest();
  return createSecretKey(key);
}

/**
 * Derived keys, kept: a derivation costs four HMACs, a request one. Bounded, oldest out first; an entry
 * is used only for the very secret it came from, so a replaced secret can never verify. A verifier keeps a key only
 * once it has proven a signature: what strangers claim neither fills this nor pushes others out.
 */
export class SigningKeys {
  readonly #entries = new Map<string, { secret: string; key: KeyObject }>();
  readonly #limit: number;

  constructor(limit = 1024) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(accessKeyId: string, secretAccessKey: string, scope: Scope): KeyObject {
    const known = this.find(accessKeyId, secretAccessKey, scope);
    if (known !== undefined) return known;
    const key = deriveSigningKey(secretAccessKey, scope);
    this.keep(accessKeyId, secretAccessKey, scope, key);
    return key;
  }

  find(accessKeyId: string, secretAccessKey: string, scope: Scope): KeyObject | undefined {
    const known = this.#entries.get(idOf(accessKeyId, scope));
    return known?.secret === secretAccessKey ? known.key : undefined;
  }

  keep(accessKeyId: string, secretAccessKey: string, scope: Scope, key: KeyObject): void {
    const id = idOf(accessKeyId, scope);
    this.#entries.delete(id);
    if (this.#entries.size >= this.#limit)
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    this.#entries.set(id, { secret: secretAccessKey, key });
  }
}

function idOf(accessKeyId: string, scope: Scope): string {
  return `${accessKeyId}/${scope.date}/${scope.region}/${scope.service}`;
}
