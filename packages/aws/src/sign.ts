/** Signs requests with Signature Version 4, in headers or (presigned) in the query. Sign at send, again for each retry. */

import { hash } from "node:crypto";
import {
  canonicalHeaderValue,
  canonicalQuery,
  canonicalRequest,
  order,
  parseQuery,
  type QueryPair,
  splitTarget,
  utf8Bytes,
} from "./canonical.ts";
import {
  ALGORITHM,
  deriveSigningKey,
  EMPTY_SHA256,
  formatAmzDate,
  type Scope,
  type SigningKeys,
  signatureOf,
  TERMINATOR,
} from "./signature.ts";

/** What a signer needs; whoever holds it keeps it out of logs and messages. */
export interface AwsCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  /** Epoch milliseconds. */
  expiration?: number;
  accountId?: string;
}

export interface SignableRequest {
  method: string;
  /** The `host` header as it will be sent: with the port unless it is the scheme's own. */
  host: string;
  /** Path and query exactly as they will be sent. */
  target: string;
  headers: Readonly<Record<string, string>>;
  /** The body, or its lower-case hex SHA-256 when it is known already. */
  body: string | Uint8Array | { sha256: string };
}

export interface SigningOptions {
  /** The scope's service, for example `bedrock-mantle`. */
  service: string;
  region: string;
  /** Epoch milliseconds, already corrected for the server's clock (see {@link clockOffset}). */
  now: number;
  /** Keeps derived keys between calls. */
  keys?: SigningKeys;
}

/** Proxies and HTTP clients add or change these; signing them would break honest requests. */
const UNSIGNED = new Set([
  "accept-encoding",
  "authorization",
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "user-agent",
  "x-amzn-trace-id",
]);

/** Written by the signer: a value left from an earlier try must not be signed. */
const OWN = new Set(["x-amz-content-sha256", "x-amz-date", "x-amz-security-token"]);

/** The headers to add to `request`. With `contentSha256` the body's hash is sent and signed too. */
export function signRequest(
  request: SignableRequest,
  credentials: AwsCredentials,
  options: SigningOptions & { contentSha256?: boolean },
): Record<string, string> {
  const amzDate = formatAmzDate(options.now);
  const payloadHash = bodyHash(request.body);
  const added: Record<string, string> = { "x-amz-date": amzDate };
  if (credentials.sessionToken !== undefined) added["x-amz-security-token"] = credentials.sessionToken;
  if (options.contentSha256) added["x-amz-content-sha256"] = payloadHash;

  const scope = scopeOf(amzDate, options);
  const headers = signedHeaderPairs(request, added);
  const signedHeaders = headers.map(([name]) => name).join(";");
  const { path, query } = splitTarget(utf8Bytes(request.target));
  const canonical = canonicalRequest({
    method: request.method,
    path,
    query: parseQuery(query),
    headers,
    signedHeaders,
    payloadHash,
  });
  const signature = signatureOf(canonical, amzDate, scope, signingKey(credentials, scope, options));
  added["authorization"] =
    `${ALGORITHM} Credential=${credentialOf(credentials, scope)}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
  return added;
}

/**
 * The target of `request` with its authorisation in the query; only `host` is signed besides.
 * `expiresIn` is in seconds, at most 604,800.
 */
export function presignRequest(
  request: Omit<SignableRequest, "headers">,
  credentials: AwsCredentials,
  options: SigningOptions & { expiresIn: number },
): string {
  const amzDate = formatAmzDate(options.now);
  const scope = scopeOf(amzDate, options);
  const { path, query } = splitTarget(utf8Bytes(request.target));
  const pairs: QueryPair[] = [
    ...parseQuery(query),
    ["X-Amz-Algorithm", ALGORITHM],
    ["X-Amz-Credential", credentialOf(credentials, scope)],
    ["X-Amz-Date", amzDate],
    ["X-Amz-Expires", String(options.expiresIn)],
    ["X-Amz-SignedHeaders", "host"],
  ];
  if (credentials.sessionToken !== undefined)
    pairs.push(["X-Amz-Security-Token", utf8Bytes(credentials.sessionToken)]);
  const canonical = canonicalRequest({
    method: request.method,
    path,
    query: pairs,
    headers: [["host", request.host]],
    signedHeaders: "host",
    payloadHash: bodyHash(request.body),
  });
  const signature = signatureOf(canonical, amzDate, scope, signingKey(credentials, scope, options));
  return `${path}?${canonicalQuery([...pairs, ["X-Amz-Signature", signature]])}`;
}

/**
 * Milliseconds to add to the own clock so that it agrees with a server whose answer had this `date` header;
 * 0 when the header is absent or unreadable.
 */
export function clockOffset(dateHeader: string | undefined, now: number): number {
  const server = dateHeader === undefined ? Number.NaN : Date.parse(dateHeader);
  return Number.isNaN(server) ? 0 : server - now;
}

function scopeOf(amzDate: string, options: SigningOptions): Scope {
  return { date: amzDate.slice(0, 8), region: options.region, service: options.service };
}

function credentialOf(credentials: AwsCredentials, scope: Scope): string {
  return `${credentials.accessKeyId}/${scope.date}/${scope.region}/${scope.service}/${TERMINATOR}`;
}

function signingKey(credentials: AwsCredentials, scope: Scope, options: SigningOptions) {
  return options.keys
    ? options.keys.get(credentials.accessKeyId, credentials.secretAccessKey, scope)
    : deriveSigningKey(credentials.secretAccessKey, scope);
}

function signedHeaderPairs(
  request: SignableRequest,
  added: Readonly<Record<string, string>>,
): [name: string, value: string][] {
  const pairs: [string, string][] = [["host", request.host]];
  for (const [given, value] of Object.entries(request.headers)) {
    const name = given.toLowerCase();
    if (UNSIGNED.has(name) || OWN.has(name)) continue;
    pairs.push([name, canonicalHeaderValue(utf8Bytes(value))]);
  }
  for (const [name, value] of Object.entries(added))
    pairs.push([name, canonicalHeaderValue(utf8Bytes(value))]);
  return pairs.sort((a, b) => order(a[0], b[0]));
}

function bodyHash(body: SignableRequest["body"]): string {
  if (body === "") return EMPTY_SHA256;
  return typeof body === "string" || body instanceof Uint8Array ? hash("sha256", body, "hex") : body.sha256;
}
