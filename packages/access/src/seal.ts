/** Secrets at rest: AES-256-GCM under a key the operator holds. The owner's id is bound in, so a sealed text cannot be moved to another record. */

import { createCipheriv, createDecipheriv, createSecretKey } from "node:crypto";
import { MohoError } from "@moho/protocol";

export interface Seal {
  /** Text that only {@link Seal.open} with the same `owner` can read. */
  close(secret: string, owner: string): string;
  /** Throws `internal` when the text was sealed under another key, for another owner, or altered. */
  open(sealed: string, owner: string): string;
}

const CIPHER = "aes-256-gcm";
const VERSION = "v1.";
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** `key` has 32 bytes; throws `invalid_config` otherwise. */
export function createSeal(key: Uint8Array, random: (bytes: number) => Uint8Array): Seal {
  if (key.length !== 32)
    throw new MohoError("invalid_config", `The sealing key must have 32 bytes, not ${key.length}.`);
  const secretKey = createSecretKey(key);
  return {
    close(secret, owner) {
      const iv = random(IV_BYTES);
      const cipher = createCipheriv(CIPHER, secretKey, iv).setAAD(Buffer.from(owner, "utf8"));
      const body = [cipher.update(secret, "utf8"), cipher.final()];
      return VERSION + Buffer.concat([iv, cipher.getAuthTag(), ...body]).toString("base64url");
    },
    open(sealed, owner) {
      const bytes = Buffer.from(sealed.slice(VERSION.length), "base64url");
      if (!sealed.startsWith(VERSION) || bytes.length < IV_BYTES + TAG_BYTES) throw unreadable(owner);
      const decipher = createDecipheriv(CIPHER, secretKey, bytes.subarray(0, IV_BYTES), {
        authTagLength: TAG_BYTES,
      })
        .setAAD(Buffer.from(owner, "utf8"))
        .setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      try {
        const body = bytes.subarray(IV_BYTES + TAG_BYTES);
        return Buffer.concat([decipher.update(body), decipher.final()]).toString("utf8");
      } catch (cause) {
        // OpenSSL's own words name neither the record nor what to do.
        throw unreadable(owner, cause);
      }
    },
  };
}

function unreadable(owner: string, cause?: unknown): MohoError {
  return new MohoError(
    "internal",
    `The stored secret of ${owner} cannot be read: it was sealed under another key, or altered.`,
    { cause },
  );
}
