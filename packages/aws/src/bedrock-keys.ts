/**
 * Bedrock API keys (aws-wire §2). A short-term key is a presigned `CallWithBearerToken` request in base64, made and
 * verified offline; a long-term key is an opaque secret in AWS's text form.
 */

import { MohoError } from "@moho/protocol";
import { parseQuery } from "./canonical.ts";
import { type AwsCredentials, presignRequest } from "./sign.ts";
import { EMPTY_SHA256, type SigningKeys } from "./signature.ts";
import {
  checkClock,
  type RawRequest,
  readSignature,
  type SignatureClaim,
  type SignatureFailure,
  type Verification,
  verifySignature,
} from "./verify.ts";

/** Twelve hours: the default and the longest life of a short-term key, in seconds. */
export const MAX_SHORT_TERM_SECONDS = 43_200;

const PREFIX = "bedrock-api-key-";
const LONG_TERM_PREFIX = "ABSK";
const HOST = "bedrock.amazonaws.com";
const MAX_KEY_CHARACTERS = 16_384;

export type BearerKind = "short-term" | "long-term" | "other";

/** The kind of a bearer text by its form alone. */
export function classifyBearer(text: string): BearerKind {
  if (text.startsWith(PREFIX)) return "short-term";
  return text.startsWith(LONG_TERM_PREFIX) ? "long-term" : "other";
}

/**
 * A short-term key, byte for byte what AWS's generator makes. It lives for `seconds` (at most twelve hours), but no
 * longer than the credentials. Throws `expired_credentials` when these have less than a second left.
 */
export function mintShortTermKey(
  credentials: AwsCredentials,
  options: { region: string; now: number; seconds?: number },
): { key: string; expiresAt: number } {
  const { region, now } = options;
  const left =
    credentials.expiration === undefined ? Infinity : Math.floor((credentials.expiration - now) / 1000);
  const expiresIn = Math.min(options.seconds ?? MAX_SHORT_TERM_SECONDS, MAX_SHORT_TERM_SECONDS, left);
  if (expiresIn < 1)
    throw new MohoError(
      "expired_credentials",
      "The credentials expire before a key made from them could be used.",
    );
  const target = presignRequest(
    { method: "POST", host: HOST, target: "/?Action=CallWithBearerToken", body: "" },
    credentials,
    { service: "bedrock", region, now, expiresIn },
  );
  const key = PREFIX + Buffer.from(`${HOST}${target}&Version=1`, "latin1").toString("base64");
  return { key, expiresAt: now + expiresIn * 1000 };
}

/** What a short-term key says of itself; unproven until {@link verifyShortTermKey}. */
export interface ShortTermKey {
  accessKeyId: string;
  region: string;
  sessionToken: string | undefined;
  /** Epoch milliseconds. */
  expiresAt: number;
  claim: SignatureClaim;
  request: RawRequest;
}

/** Reads a short-term key; `undefined` for any text that is not one. */
export function parseShortTermKey(text: string): ShortTermKey | undefined {
  if (!text.startsWith(PREFIX) || text.length > MAX_KEY_CHARACTERS) return undefined;
  const presigned = Buffer.from(text.slice(PREFIX.length), "base64").toString("latin1");
  if (!presigned.startsWith(`${HOST}/?`)) return undefined;
  const query = presigned
    .slice(HOST.length + 2)
    .split("&")
    .filter((part) => !part.startsWith("Version="))
    .join("&");
  const actions = parseQuery(query).filter(([name]) => name === "Action");
  const request: RawRequest = {
    method: "POST",
    rawTarget: `/?${query}`,
    rawHeaders: ["host", HOST],
    bodySha256: EMPTY_SHA256,
  };
  const claim = readSignature(request);
  if (!claim?.ok || claim.form !== "query") return undefined;
  if (actions.length !== 1 || actions[0]![1] !== "CallWithBearerToken") return undefined;
  if (claim.expiresIn! > MAX_SHORT_TERM_SECONDS) return undefined;
  return {
    accessKeyId: claim.accessKeyId,
    region: claim.scope.region,
    sessionToken: claim.sessionToken,
    expiresAt: claim.signedAt + claim.expiresIn! * 1000,
    claim,
    request,
  };
}

/** Proves a short-term key offline against the secret of its access key. The signature is checked before the clock. */
export function verifyShortTermKey(
  key: ShortTermKey,
  secretAccessKey: string,
  options: { now: number; regions: readonly string[]; keys: SigningKeys },
): Verification {
  const { now, regions, keys } = options;
  const proof = verifySignature(key.request, key.claim, secretAccessKey, {
    now: key.claim.signedAt,
    services: ["bedrock"],
    regions,
    keys,
  });
  if (!proof.ok) return proof;
  return now < key.expiresAt ? (checkClock(key.claim, now) ?? proof) : EXPIRED;
}

const EXPIRED: SignatureFailure = {
  ok: false,
  code: "expired_credentials",
  awsName: "ExpiredTokenException",
  message: "Bearer Token has expired",
};

/** The region that a short-term key is bound to; `undefined` for any other text. */
export function regionOfShortTermKey(text: string): string | undefined {
  return parseShortTermKey(text)?.region;
}

/** A new long-term key in AWS's text form: the alias names the account, the rest is random. */
export function newLongTermKey(options: { account: string; random: (bytes: number) => Uint8Array }): {
  key: string;
  alias: string;
} {
  const suffix = Buffer.from(options.random(2)).toString("hex");
  const alias = `BedrockAPIKey-${suffix}-at-${options.account}`;
  const secret = Buffer.from(options.random(32)).toString("base64");
  return { key: LONG_TERM_PREFIX + Buffer.from(`${alias}:${secret}`).toString("base64"), alias };
}
