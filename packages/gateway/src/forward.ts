/** Hands a call to its upstream and reads a refusal: what is tried again, whose fault it is, what travels back. */

import type { HttpResponse, Upstream, UpstreamCall } from "@moho/model";
import { MohoError, toMohoError } from "@moho/protocol";
import { explainUpstreamError } from "@moho/wire";

const TRIES = 2;

/** Bytes of a refusal that are read. */
const REFUSAL_BYTES = 64 * 1024;

/**
 * The answer's head. Rejects only before one arrived. A call of which nothing was sent gets one more try; any other the
 * upstream may be working on, and would be paid for twice.
 */
export async function send(upstream: Upstream, call: UpstreamCall): Promise<HttpResponse> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await upstream.send(call);
    } catch (error) {
      if (!nothingSent(toMohoError(error)) || attempt === TRIES || call.signal.aborted) throw error;
    }
  }
}

/** The transport's word that no byte of a failed call can have reached its upstream. */
export function nothingSent(error: MohoError): boolean {
  return error.details?.["nothingSent"] === true;
}

/** Response headers that travel to the client; the gateway adds its own ids. */
const PASSED = new Set(["content-type", "content-length", "retry-after", "retry-after-ms"]);
const PASSED_PREFIXES = ["x-ratelimit-", "openai-"];

export function passedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const name of Object.keys(headers)) {
    if (PASSED.has(name) || PASSED_PREFIXES.some((prefix) => name.startsWith(prefix))) {
      passed[name] = headers[name]!;
    }
  }
  const id = upstreamRequestId(headers);
  if (id !== undefined) passed["x-moho-upstream-request-id"] = id;
  return passed;
}

export function upstreamRequestId(headers: Readonly<Record<string, string>>): string | undefined {
  return headers["x-request-id"] ?? headers["x-amzn-requestid"] ?? headers["request-id"];
}

export interface Refusal {
  /** For the record: without the upstream's words, which may repeat the prompt. */
  error: MohoError;
  /** The upstream's own answer, to be passed on as it is. */
  body: Buffer;
}

/**
 * Reads an answer that is not a success. One in the caller's dialect passes as it is; a refusal of the gateway's own
 * credentials is not the caller's fault and becomes `upstream_auth`; anything else is explained.
 */
export async function readRefusal(response: HttpResponse, model: string): Promise<Refusal> {
  const body = await readSome(response.body, REFUSAL_BYTES);
  const { status, headers } = response;
  const explained = explainUpstreamError({
    status,
    headers,
    body,
    context: { endpoint: "The upstream", model },
  });
  if (status === 401 || status === 403 || explained.category === "authentication") {
    throw new MohoError("upstream_auth", `The upstream refused the gateway's own credentials (${status}).`, {
      cause: explained,
    });
  }
  if (status < 400 || !isOpenAiError(body)) throw explained;
  return { error: new MohoError(explained.code, `The upstream answered ${status}.`), body };
}

function isOpenAiError(body: Buffer): boolean {
  return body.length < REFUSAL_BYTES && /^\s*\{\s*"error"\s*:\s*\{/.test(body.toString("latin1", 0, 64));
}

async function readSome(stream: AsyncIterable<Buffer>, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= limit) break;
  }
  return Buffer.concat(chunks).subarray(0, limit);
}
