/**
 * The server's side of Signature Version 4: reads the claim of a request as it came off the socket, then checks it
 * against a secret. Failures carry AWS's own names and sentences (aws-wire §3.2). Never throws.
 */

import { hash, timingSafeEqual } from "node:crypto";
import {
  canonicalHeaderValue,
  canonicalRequest,
  order,
  parseQuery,
  type QueryPair,
  receivedBytes,
  splitTarget,
} from "./canonical.ts";
import {
  ALGORITHM,
  deriveSigningKey,
  formatAmzDate,
  parseAmzDate,
  type Scope,
  type SigningKeys,
  signatureOf,
  TERMINATOR,
} from "./signature.ts";

/** A request as it came off the socket: nothing decoded, nothing normalised. */
export interface RawRequest {
  method: string;
  rawTarget: string;
  /** Names and values in arrival order; `:authority` included for HTTP/2. */
  rawHeaders: readonly string[];
  /** Lower-case hex SHA-256 of the body. */
  bodySha256: string;
}

export interface SignatureFailure {
  ok: false;
  code: "missing_credentials" | "invalid_signature" | "clock_skew" | "expired_credentials";
  /** The exception that AWS answers with. */
  awsName: string;
  message: string;
  /** What to do, where the code's own row would mislead. */
  next?: string;
}

/** What a signed request says of itself; nothing of it is proven before {@link verifySignature}. */
export interface SignatureClaim {
  ok: true;
  form: "header" | "query";
  accessKeyId: string;
  scope: Scope;
  terminator: string;
  amzDate: string;
  /** `amzDate` in epoch milliseconds. */
  signedAt: number;
  /** Seconds; query form only. */
  expiresIn: number | undefined;
  sessionToken: string | undefined;
  signedHeaders: readonly string[];
  signature: string;
  /** Lower-case names; repeated headers joined in arrival order. */
  headers: ReadonlyMap<string, string>;
  path: string;
  /** Without the signature. */
  query: readonly QueryPair[];
}

export interface VerifyOptions {
  /** Epoch milliseconds. */
  now: number;
  services: readonly string[];
  /** Regions a scope may name; empty for any. */
  regions: readonly string[];
  keys: SigningKeys;
  /** Lower-case names of headers that change what a request may do: unsigned, they are refused. */
  binding?: readonly string[];
  /** Hosts that a client may have signed for when a proxy in front rewrote `host`. */
  hosts?: readonly string[];
}

export type Verification = { ok: true } | SignatureFailure;

const SKEW_MINUTES = 5;
const SKEW_MS = SKEW_MINUTES * 60_000;
const MAX_EXPIRES_SECONDS = 604_800;
const MAX_SIGNED_HEADERS = 100;

/** Any region that AWS has or may open: `us-east-1`, `us-gov-west-1`, `eu-isoe-west-1`. */
const REGION = /^[a-z]{2,8}(-[a-z]{2,12}){1,3}-\d{1,2}$/;

/** The claim of a signed request, `undefined` when it carries no signature at all. */
export function readSignature(request: RawRequest): SignatureClaim | SignatureFailure | undefined {
  const headers = joinHeaders(request.rawHeaders);
  const { path, query } = splitTarget(receivedBytes(request.rawTarget));
  const pairs = query === "" ? [] : parseQuery(query);
  const inQuery = pairs.some(([name]) => name === "X-Amz-Signature" || name === "X-Amz-Algorithm");
  const authorization = headers.get("authorization");
  if (authorization?.startsWith("AWS4-")) {
    if (inQuery)
      return incomplete("A request may carry its signature in a header or in the query, not both.");
    return readHeaderForm(authorization, headers, path, pairs);
  }
  return inQuery ? readQueryForm(headers, path, pairs) : undefined;
}

/** What can be held against a claim before its body is there: scope, clock, mandatory headers. */
export function screenSignature(
  claim: SignatureClaim,
  options: Omit<VerifyOptions, "keys" | "hosts">,
): SignatureFailure | undefined {
  return checkScope(claim, options) ?? checkClock(claim, options.now) ?? checkSignedHeaders(claim, options);
}

/** Proves a claim: all that {@link screenSignature} asks, body and, last, the signature in constant time. */
export function verifySignature(
  request: RawRequest,
  claim: SignatureClaim,
  secretAccessKey: string,
  options: VerifyOptions,
): Verification {
  const refused = screenSignature(claim, options) ?? checkBody(request, claim);
  if (refused) return refused;
  const { accessKeyId, scope } = claim;
  const kept = options.keys.find(accessKeyId, secretAccessKey, scope);
  const key = kept ?? deriveSigningKey(secretAccessKey, scope);
  for (const host of [undefined, ...(options.hosts ?? [])]) {
    const canonical = canonicalOf(request, claim, host);
    if (!sameText(signatureOf(canonical, claim.amzDate, scope, key), claim.signature)) continue;
    if (kept === undefined) options.keys.keep(accessKeyId, secretAccessKey, scope, key);
    return { ok: true };
  }
  return invalid(
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
  );
}

/** Compares in time that depends on the lengths alone. */
export function sameText(a: string, b: string): boolean {
  const left = Buffer.from(a, "utf8");
  const right = Buffer.from(b, "utf8");
  return left.length === right.length && timingSafeEqual(left, right);
}

function joinHeaders(rawHeaders: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    const value = canonicalHeaderValue(rawHeaders[i + 1]!);
    const earlier = headers.get(name);
    headers.set(name, earlier === undefined ? value : `${earlier},${value}`);
  }
  return headers;
}

function readHeaderForm(
  authorization: string,
  headers: Map<string, string>,
  path: string,
  query: readonly QueryPair[],
): SignatureClaim | SignatureFailure {
  const space = authorization.indexOf(" ");
  const fields = new Map<string, string>();
  for (const part of authorization.slice(space + 1).split(",")) {
    const at = part.indexOf("=");
    const name = part.slice(0, at).trim();
    if (at < 0 || fields.has(name))
      return incompleteHeader("'Authorization' header is malformed.", authorization);
    fields.set(name, part.slice(at + 1).trim());
  }
  const absent = ["Credential", "Signature", "SignedHeaders"].filter((name) => !fields.get(name));
  const amzDate = headers.get("x-amz-date");
  const complaints = absent.map((name) => `Authorization header requires '${name}' parameter.`);
  if (amzDate === undefined)
    complaints.push("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.");
  if (space < 0 || authorization.slice(0, space) !== ALGORITHM)
    complaints.unshift(`Unsupported AWS 'algorithm', expected '${ALGORITHM}'.`);
  if (complaints.length > 0) return incompleteHeader(complaints.join(" "), authorization);
  return claimOf({
    form: "header",
    credential: fields.get("Credential")!,
    signedHeaders: fields.get("SignedHeaders")!,
    signature: fields.get("Signature")!,
    amzDate: amzDate!,
    expires: undefined,
    sessionToken: headers.get("x-amz-security-token"),
    headers,
    path,
    query,
  });
}

function readQueryForm(
  headers: Map<string, string>,
  path: string,
  pairs: readonly QueryPair[],
): SignatureClaim | SignatureFailure {
  const fields = new Map<string, string>();
  for (const [name, value] of pairs) {
    if (!name.startsWith("X-Amz-")) continue;
    if (fields.has(name)) return incomplete(`AWS query-string parameter '${name}' is given more than once.`);
    fields.set(name, value);
  }
  const needed = ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"].map(
    (n) => `X-Amz-${n}`,
  );
  const absent = needed.filter((name) => !fields.get(name));
  if (absent.length > 0)
    return incomplete(absent.map((name) => `AWS query-string parameters must include '${name}'.`).join(" "));
  if (fields.get("X-Amz-Algorithm") !== ALGORITHM)
    return incomplete(`Unsupported AWS 'algorithm', expected '${ALGORITHM}'.`);
  return claimOf({
    form: "query",
    credential: fields.get("X-Amz-Credential")!,
    signedHeaders: fields.get("X-Amz-SignedHeaders")!,
    signature: fields.get("X-Amz-Signature")!,
    amzDate: fields.get("X-Amz-Date")!,
    expires: fields.get("X-Amz-Expires"),
    sessionToken: fields.get("X-Amz-Security-Token"),
    headers,
    path,
    query: pairs.filter(([name]) => name !== "X-Amz-Signature"),
  });
}

function claimOf(parts: {
  form: "header" | "query";
  credential: string;
  signedHeaders: string;
  signature: string;
  amzDate: string;
  expires: string | undefined;
  sessionToken: string | undefined;
  headers: Map<string, string>;
  path: string;
  query: readonly QueryPair[];
}): SignatureClaim | SignatureFailure {
  const { form, amzDate, signature, sessionToken, headers, path, query } = parts;
  const credential = parts.credential.split("/");
  const [accessKeyId, date, region, service, terminator] = credential;
  if (credential.length !== 5 || !accessKeyId || !date || !region || !service || !terminator)
    return incomplete(
      "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.",
    );
  const signedAt = parseAmzDate(amzDate);
  if (signedAt === undefined)
    return incomplete("Date must be in ISO-8601 'basic format', that is yyyymmddThhmmssZ.");
  const expiresIn = parts.expires === undefined ? undefined : Number(parts.expires);
  if (
    expiresIn !== undefined &&
    !(/^\d{1,6}$/.test(parts.expires!) && expiresIn >= 1 && expiresIn <= MAX_EXPIRES_SECONDS)
  )
    return incomplete(`X-Amz-Expires must be between 1 and ${MAX_EXPIRES_SECONDS} seconds.`);
  const signedHeaders = parts.signedHeaders.split(";").sort(order);
  if (signedHeaders.length > MAX_SIGNED_HEADERS || new Set(signedHeaders).size !== signedHeaders.length)
    return incomplete("SignedHeaders must name each header once.");
  return {
    ok: true,
    form,
    accessKeyId,
    scope: { date, region, service },
    terminator,
    amzDate,
    signedAt,
    expiresIn,
    sessionToken,
    signedHeaders,
    signature,
    headers,
    path,
    query,
  };
}

function checkScope(
  claim: SignatureClaim,
  options: Pick<VerifyOptions, "regions" | "services">,
): SignatureFailure | undefined {
  const { scope, amzDate } = claim;
  const date = amzDate.slice(0, 8);
  if (scope.date !== date)
    return invalid(
      `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${scope.date}' != '${date}', from '${amzDate}'.`,
    );
  if (options.regions.length > 0 && !options.regions.includes(scope.region))
    return {
      ...invalid(
        `Credential should be scoped to a valid region, not '${scope.region}': this endpoint serves ${quoted(options.regions)}.`,
      ),
      next: `Sign for the region ${quoted(options.regions)}, for example with AWS_REGION.`,
    };
  if (options.regions.length === 0 && !REGION.test(scope.region))
    return invalid("Credential should be scoped to a valid region.");
  if (!options.services.includes(scope.service))
    return {
      ...invalid(`Credential should be scoped to correct service: ${quoted(options.services)}.`),
      next: `Sign for the service ${quoted(options.services)}.`,
    };
  if (claim.terminator !== TERMINATOR)
    return invalid(
      `Credential should be scoped with a valid terminator: '${TERMINATOR}', not '${claim.terminator}'.`,
    );
  return undefined;
}

/** Header form: within five minutes of `now`. Query form: from five minutes before it was signed until it expires. */
export function checkClock(claim: SignatureClaim, now: number): SignatureFailure | undefined {
  const { amzDate, signedAt, expiresIn } = claim;
  const end = expiresIn === undefined ? signedAt + SKEW_MS + 1 : signedAt + expiresIn * 1000;
  if (signedAt <= now + SKEW_MS && now < end) return undefined;
  const at = formatAmzDate(now);
  if (signedAt > now)
    return skewed(
      `Signature not yet current: ${amzDate} is still later than ${formatAmzDate(now + SKEW_MS)} (${at} + ${SKEW_MINUTES} min.)`,
    );
  if (expiresIn === undefined)
    return skewed(
      `Signature expired: ${amzDate} is now earlier than ${formatAmzDate(now - SKEW_MS)} (${at} - ${SKEW_MINUTES} min.)`,
    );
  const message = `Signature expired: ${formatAmzDate(end)} is now earlier than ${at}`;
  return { ok: false, code: "expired_credentials", awsName: "InvalidSignatureException", message };
}

/** The host and every `x-amz-` header present must be signed, and every signed header present. */
function checkSignedHeaders(
  claim: SignatureClaim,
  { binding = [] }: Pick<VerifyOptions, "binding">,
): SignatureFailure | undefined {
  const { headers, signedHeaders } = claim;
  if (!signedHeaders.includes("host") && !signedHeaders.includes(":authority"))
    return invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
  const authority = headers.get(":authority");
  if (authority !== undefined && (headers.get("host") ?? authority) !== authority)
    return invalid("The headers 'host' and ':authority' of the request differ.");
  for (const name of headers.keys())
    if (name.startsWith("x-amz-") && !signedHeaders.includes(name))
      return invalid(`There were headers present in the request which were not signed: ${name}`);
  for (const name of binding)
    if (headers.has(name) && !signedHeaders.includes(name))
      return invalid(
        `The header '${name}' changes what the request may do, so it must be a 'SignedHeader': sign it or leave it out.`,
      );
  for (const name of signedHeaders)
    if (headerOf(headers, name) === undefined)
      return invalid(`The signed header '${name}' is not present in the request.`);
  return undefined;
}

function checkBody(request: RawRequest, claim: SignatureClaim): SignatureFailure | undefined {
  const declared = claim.headers.get("x-amz-content-sha256");
  if (declared === undefined || declared === request.bodySha256) return undefined;
  return invalid("The provided 'x-amz-content-sha256' header does not match what was computed.");
}

function canonicalOf(request: RawRequest, claim: SignatureClaim, host: string | undefined): string {
  const { headers, signedHeaders } = claim;
  return canonicalRequest({
    method: request.method,
    path: claim.path,
    query: claim.query,
    headers: signedHeaders.map((name) => [
      name,
      host !== undefined && (name === "host" || name === ":authority") ? host : headerOf(headers, name)!,
    ]),
    signedHeaders: signedHeaders.join(";"),
    payloadHash: request.bodySha256,
  });
}

/** HTTP/2's `:authority` and HTTP/1.1's `host` stand for each other. */
function headerOf(headers: ReadonlyMap<string, string>, name: string): string | undefined {
  const value = headers.get(name);
  if (value !== undefined) return value;
  if (name === "host") return headers.get(":authority");
  return name === ":authority" ? headers.get("host") : undefined;
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(" or ");
}

function incompleteHeader(complaint: string, authorization: string): SignatureFailure {
  const digest = hash("sha256", authorization, "base64");
  return incomplete(`${complaint} (Hashed with SHA-256 and encoded with Base64) Authorization=${digest}`);
}

function incomplete(message: string): SignatureFailure {
  return { ok: false, code: "invalid_signature", awsName: "IncompleteSignatureException", message };
}

function invalid(message: string): SignatureFailure {
  return { ok: false, code: "invalid_signature", awsName: "InvalidSignatureException", message };
}

function skewed(message: string): SignatureFailure {
  return { ok: false, code: "clock_skew", awsName: "InvalidSignatureException", message };
}
