/**
 * Sends a request with the sender's own authorisation, made at the moment of sending. A wrong clock is corrected from
 * the answer's `date` and expired credentials are renewed; then the same bytes go out once more.
 */

import { hash } from "node:crypto";
import { Readable } from "node:stream";
import { clockOffset, SigningKeys, signRequest } from "@moho/aws";
import { MohoError } from "@moho/protocol";
import { explainUpstreamError } from "@moho/wire";
import type { Auth, Credentials } from "../credentials/types.ts";
import type { HttpRequest, HttpResponse, Transport } from "../ports.ts";

export interface AuthorizedOptions {
  credentials: Credentials;
  transport: Transport;
  /** Epoch milliseconds. */
  now(): number;
  /** The SigV4 scope; without a service only bearer tokens are possible. */
  service: string | undefined;
  region: string | undefined;
}

/** AWS refuses signatures that are five minutes off; less is not the clock. */
const SKEW_MS = 240_000;
const MAX_REFUSAL_BYTES = 256 * 1024;

/** Reading the answer's words costs little, and only these say that other credentials could help. */
const RENEWABLE: ReadonlySet<string> = new Set([
  "expired_credentials",
  "unknown_access_key",
  "invalid_api_key",
  "invalid_signature",
  "clock_skew",
]);

export class AuthorizedSender {
  readonly #options: AuthorizedOptions;
  readonly #keys = new SigningKeys(16);
  /** What to add to the own clock. */
  #offset = 0;

  constructor(options: AuthorizedOptions) {
    this.#options = options;
  }

  /** The answer, whatever its status. `request` must be without credentials; `knownHash` is its body's, if at hand. */
  async send(request: HttpRequest, knownHash?: string): Promise<HttpResponse> {
    const { credentials, transport } = this.#options;
    let computed = knownHash;
    const sha256 = (): string => {
      computed ??= hash("sha256", request.body ?? "", "hex");
      return computed;
    };
    let auth = await credentials.current(request.signal);
    let answer = await transport(this.#authorize(request, auth, sha256));
    let renewed = false;
    let corrected = false;
    while (answer.status === 401 || answer.status === 403) {
      const refusal = await readRefusal(answer);
      if (!corrected && this.#correctClock(auth, answer)) {
        corrected = true;
      } else {
        const next =
          renewed || !RENEWABLE.has(refusal.code) ? undefined : await credentials.renew(auth, request.signal);
        if (!next) return refusal.answer;
        auth = next;
        renewed = true;
      }
      answer = await transport(this.#authorize(request, auth, sha256));
    }
    return answer;
  }

  #authorize(request: HttpRequest, auth: Auth, sha256: () => string): HttpRequest {
    if (auth.kind === "none") return request;
    if (auth.kind === "bearer")
      return { ...request, headers: { ...request.headers, authorization: `Bearer ${auth.token}` } };
    const { service, region, now } = this.#options;
    if (service === undefined)
      throw new MohoError("invalid_config", "This provider does not take AWS credentials; give it a key.");
    if (region === undefined)
      throw new MohoError(
        "invalid_config",
        "Signing needs an AWS region: set the provider's `aws.region`, AWS_REGION or AWS_DEFAULT_REGION.",
      );
    const { url, method, headers } = request;
    const signed = signRequest(
      { method, host: url.host, target: url.pathname + url.search, headers, body: { sha256: sha256() } },
      auth.credentials,
      { service, region, now: now() + this.#offset, keys: this.#keys },
    );
    return { ...request, headers: { ...headers, ...signed } };
  }

  /** True when the own clock was so wrong that the signature had to be refused. */
  #correctClock(auth: Auth, answer: HttpResponse): boolean {
    if (auth.kind !== "sigv4" || answer.headers["date"] === undefined) return false;
    const offset = clockOffset(answer.headers["date"], this.#options.now());
    if (Math.abs(offset - this.#offset) < SKEW_MS) return false;
    this.#offset = offset;
    return true;
  }
}

/** Reads a refusal, and gives back the same answer with its body unread. */
async function readRefusal(answer: HttpResponse): Promise<{ code: string; answer: HttpResponse }> {
  const body = await readBounded(answer.body, MAX_REFUSAL_BYTES);
  const { status, headers } = answer;
  const { code } = explainUpstreamError({ status, headers, body, context: { endpoint: "" } });
  return { code, answer: { status, headers, body: Readable.from([body]) } };
}

/** At most `limit` bytes of a body; the rest is not read. */
export async function readBounded(body: Readable, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= limit) break;
  }
  return Buffer.concat(chunks).subarray(0, limit);
}
