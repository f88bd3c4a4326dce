/** Requests as a socket delivers them, and an independent SigV4 arithmetic on `node:crypto` alone. */

import { createHash, createHmac } from "node:crypto";
import {
  type RawRequest,
  readSignature,
  SigningKeys,
  type Verification,
  type VerifyOptions,
  verifySignature,
} from "@moho/aws";

export const SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

export const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");

const wire = (text: string) => Buffer.from(text, "utf8").toString("latin1");

/** The request a Node server would see: each character one byte. */
export function received(
  method: string,
  target: string,
  headers: readonly (readonly [string, string])[],
  body = "",
): RawRequest {
  return {
    method,
    rawTarget: wire(target),
    rawHeaders: headers.flatMap(([name, value]) => [name, wire(value)]),
    bodySha256: sha256(body),
  };
}

/** As a server does it: the secret is the claimed key's, and another key's is another. */
export function verify(
  request: RawRequest,
  options: Omit<VerifyOptions, "keys">,
  secret = SECRET,
): Verification | undefined {
  const claim = readSignature(request);
  if (!claim?.ok) return claim;
  const own = claim.accessKeyId === "AKIDEXAMPLE" ? secret : "another";
  return verifySignature(request, claim, own, { ...options, keys: new SigningKeys() });
}

export function authorizationOf(headers: Readonly<Record<string, string>>) {
  const match = /SignedHeaders=(.*), Signature=([0-9a-f]{64})$/.exec(headers["authorization"] ?? "");
  return { signedHeaders: match?.[1], signature: match?.[2] };
}

/** The hash constructor that `@smithy/signature-v4` wants, and a signature worked out step by step. */
export class Sha256 {
  readonly #hash;
  constructor(secret?: unknown) {
    this.#hash =
      secret === undefined ? createHash("sha256") : createHmac("sha256", secret as string | Uint8Array);
  }
  update(data: string | Uint8Array): void {
    this.#hash.update(data as Uint8Array);
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
  reset(): void {}

  static sign(canonical: string, amzDate: string, scope: string): string {
    let key: string | Buffer = `AWS4${SECRET}`;
    for (const part of [...scope.split("/"), "aws4_request"])
      key = createHmac("sha256", key).update(part).digest();
    return createHmac("sha256", key)
      .update(`AWS4-HMAC-SHA256\n${amzDate}\n${scope}/aws4_request\n${sha256(canonical)}`)
      .digest("hex");
  }
}
