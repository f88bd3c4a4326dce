/** A caller's request as it travels on: its own bytes, never its credentials, nothing that belongs to its connection. */

import type { HttpRequest, UpstreamCall } from "../ports.ts";

const STAYS: ReadonlySet<string> = new Set([
  // Credentials
  "authorization",
  "x-api-key",
  "api-key",
  "cookie",
  "x-amz-date",
  "x-amz-security-token",
  "x-amz-content-sha256",
  "proxy-authorization",
  // The connection's own
  "host",
  "connection",
  "content-length",
  "expect",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  // The answer is read on its way back
  "accept-encoding",
  // Where the caller sits
  "forwarded",
  "via",
  "x-real-ip",
]);

/** Names with `_` are left out as well: proxies drop them, and a signature over them would break. */
export function travelling(headers: Readonly<Record<string, string>>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name in headers) {
    if (STAYS.has(name) || name.includes("_") || name.startsWith(":") || name.startsWith("x-forwarded-"))
      continue;
    kept[name] = headers[name] as string;
  }
  return kept;
}

/** The request below `baseUrl`, complete but for its authorisation. The body is the caller's own bytes. */
export function requestFor(
  call: UpstreamCall,
  baseUrl: string,
  clocks: HttpRequest["clocks"],
  headers: Readonly<Record<string, string>> = {},
): HttpRequest {
  return {
    method: call.method,
    url: new URL(baseUrl + call.path),
    headers: { ...headers, ...travelling(call.headers) },
    ...(call.body && { body: call.body }),
    signal: call.signal,
    ...(clocks && { clocks }),
  };
}
