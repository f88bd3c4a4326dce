/**
 * Who is calling: a SigV4 signature, a short-term key (both proven offline against the sealed secret) or a long-term key
 * (found by its hash). Refusals are uniform, carry AWS's sentences, and no key material.
 */

import {
  classifyBearer,
  parseShortTermKey,
  readSignature,
  type SignatureClaim,
  type SignatureFailure,
  SigningKeys,
  sameText,
  screenSignature,
  verifyShortTermKey,
  verifySignature,
} from "@moho/aws";
import { MohoError } from "@moho/protocol";
import type { AccessKey, Directory } from "./directory.ts";
import type { Access, CredentialKind, Principal, ReceivedHead } from "./ports.ts";
import { apiKeyId, type PrincipalRecord, sha256 } from "./records.ts";

export interface AuthenticatorOptions {
  directory: Directory;
  clock: () => number;
  account: string;
  /** Regions that signatures and short-term keys may be scoped to; empty for any. */
  regions: readonly string[];
  /** Hosts that clients may have signed for when a proxy in front rewrites `host`. */
  alternateHosts: readonly string[];
}

/** The proven owner of a credential. */
interface Proof {
  principal: string;
  keyId: string;
  credential: CredentialKind;
}

/** Headers that choose what a request acts on: added to a signed request, they would change it. */
const BINDING_HEADERS: readonly string[] = ["openai-project"];

export function createAuthenticator(options: AuthenticatorOptions): Pick<Access, "screen" | "authenticate"> {
  const keys = new SigningKeys(10_000);
  const screen: Access["screen"] = async (head, services) => {
    const claim = readSignature({ ...head, bodySha256: "" });
    if (claim && !claim.ok) throw signatureError(claim);
    const prove = claim
      ? await screenClaim(head, claim, services, keys, options)
      : proven(await proveBearer(bearerOf(head.rawHeaders), keys, options));
    return async (bodySha256) => {
      const proof = prove(bodySha256);
      const record = await options.directory.principals.get(proof.principal);
      if (!record?.enabled) throw unknownKey(proof.credential);
      return principalOf(record, proof, options.account);
    };
  };
  return {
    screen,
    authenticate: async (request, services) => (await screen(request, services))(request.bodySha256),
  };
}

/** A key needs no body. */
function proven(proof: Proof): () => Proof {
  return () => proof;
}

/** All but body and signature. The clock is read here: a body may take its time. */
async function screenClaim(
  head: ReceivedHead,
  claim: SignatureClaim,
  services: readonly string[],
  keys: SigningKeys,
  options: AuthenticatorOptions,
): Promise<(bodySha256: string) => Proof> {
  const now = options.clock();
  const key = await options.directory.accessKeys.get(claim.accessKeyId);
  if (!key?.enabled || !carriesToken(key, claim.sessionToken)) throw unknownKey("sigv4");
  const { regions, alternateHosts: hosts } = options;
  const terms = { now, services, regions, keys, hosts, binding: BINDING_HEADERS };
  const refused = screenSignature(claim, terms);
  if (refused) throw signatureError(refused);
  return (bodySha256) => {
    const proof = verifySignature({ ...head, bodySha256 }, claim, key.secretAccessKey, terms);
    if (!proof.ok) throw signatureError(proof);
    if (key.expiresAt !== undefined && now >= key.expiresAt)
      throw expired("The security token included in the request is expired");
    return { principal: key.principal, keyId: key.id, credential: "sigv4" };
  };
}

async function proveBearer(text: string, keys: SigningKeys, options: AuthenticatorOptions): Promise<Proof> {
  return classifyBearer(text) === "short-term"
    ? proveShortTerm(text, keys, options)
    : proveLongTerm(text, options);
}

async function proveShortTerm(
  text: string,
  keys: SigningKeys,
  options: AuthenticatorOptions,
): Promise<Proof> {
  const now = options.clock();
  const claim = parseShortTermKey(text);
  const key = claim && (await options.directory.accessKeys.get(claim.accessKeyId));
  if (!claim || !key?.enabled || !carriesToken(key, claim.sessionToken)) throw unknownKey("short-term-key");
  const proof = verifyShortTermKey(claim, key.secretAccessKey, { now, regions: options.regions, keys });
  if (!proof.ok)
    throw proof.code === "invalid_signature" ? unknownKey("short-term-key") : signatureError(proof);
  if (key.expiresAt !== undefined && now >= key.expiresAt) throw expired("Bearer Token has expired");
  return { principal: key.principal, keyId: key.id, credential: "short-term-key" };
}

async function proveLongTerm(text: string, options: AuthenticatorOptions): Promise<Proof> {
  const digest = sha256(text);
  const id = apiKeyId(digest);
  const key = await options.directory.apiKeys.get(id);
  if (!key?.enabled || !sameText(key.sha256, digest)) throw unknownKey("long-term-key");
  if (key.expiresAt !== undefined && options.clock() >= key.expiresAt)
    throw expired("Bearer Token has expired");
  return { principal: key.principal, keyId: id, credential: "long-term-key" };
}

/** Temporary credentials are good only with their session token, lasting ones only without any. */
function carriesToken(key: AccessKey, token: string | undefined): boolean {
  if (key.sessionTokenSha256 === undefined) return token === undefined;
  return token !== undefined && sameText(sha256(token), key.sessionTokenSha256);
}

/** The text after `Bearer`, or of `x-api-key`; throws when there is none or more than one. */
function bearerOf(rawHeaders: readonly string[]): string {
  const given: Record<"authorization" | "x-api-key", string[]> = { authorization: [], "x-api-key": [] };
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    if (name === "authorization" || name === "x-api-key") given[name].push(rawHeaders[i + 1]!.trim());
  }
  const bearers = given.authorization.length > 0 ? given.authorization : given["x-api-key"];
  if (bearers.length === 0) throw missing();
  if (bearers.length > 1) throw unknownKey("long-term-key");
  if (bearers === given["x-api-key"]) return bearers[0]!;
  const match = /^bearer +(\S+)$/i.exec(bearers[0]!);
  if (!match) throw missing();
  return match[1]!;
}

function principalOf(record: PrincipalRecord, proof: Proof, account: string): Principal {
  return {
    arn: record.arn,
    account,
    type: "IAMUser",
    name: proof.principal,
    id: record.id,
    accessKeyId: proof.keyId,
    credential: proof.credential,
    tags: record.tags,
    policies: record.policies,
  };
}

function missing(): MohoError {
  return new MohoError("missing_credentials", "Missing Authentication Token", {
    details: { awsName: "MissingAuthenticationTokenException" },
  });
}

/** One answer for unknown, disabled and forged keys, and for keys of disabled principals. */
function unknownKey(credential: CredentialKind): MohoError {
  if (credential === "sigv4")
    return new MohoError("unknown_access_key", "The security token included in the request is invalid.", {
      details: { awsName: "UnrecognizedClientException" },
    });
  return new MohoError("invalid_api_key", "Invalid bearer token", {
    details: {
      awsName: "AccessDeniedException",
      awsStatus: 403,
      awsMessage: "Authentication failed: Please make sure your API Key is valid.",
    },
  });
}

function expired(message: string): MohoError {
  return new MohoError("expired_credentials", message, { details: { awsName: "ExpiredTokenException" } });
}

function signatureError(failure: SignatureFailure): MohoError {
  return new MohoError(failure.code, failure.message, {
    ...(failure.next !== undefined && { next: failure.next }),
    details: { awsName: failure.awsName },
  });
}
