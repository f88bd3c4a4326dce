/** The three clocks of an exchange and the errors they end in; the same words in every transport. */

import { MohoError } from "@moho/protocol";

export interface Clocks {
  connect: number;
  firstByte: number;
  idle: number;
}

/** Milliseconds (STREAM-2). */
export const DEFAULT_CLOCKS: Readonly<Clocks> = { connect: 10_000, firstByte: 120_000, idle: 120_000 };

const WORDS: Readonly<Record<keyof Clocks, string>> = {
  connect: "no connection",
  firstByte: "no first byte of the answer",
  idle: "no further byte of the answer",
};

const NAMES: Readonly<Record<keyof Clocks, string>> = {
  connect: "connect",
  firstByte: "first-byte",
  idle: "idle",
};

export function timedOut(clock: keyof Clocks, url: URL, milliseconds: number): MohoError {
  return new MohoError(
    "upstream_timeout",
    `${url.host}: ${WORDS[clock]} within ${milliseconds / 1000} s (the ${NAMES[clock]} clock).`,
    { details: { clock, milliseconds, ...(clock === "connect" && { nothingSent: true }) } },
  );
}

export function stopped(): MohoError {
  return new MohoError("interrupted", "The call was stopped.");
}

export interface Marks {
  /** The connection was an old one that the server had closed meanwhile; a new one may well work at once. */
  stale?: boolean;
  /** No byte of the request can have reached the server: it is safe to send it again. */
  nothingSent?: boolean;
}

export function unreachable(url: URL, cause: unknown, marks: Marks = {}): MohoError {
  const code = (cause as { code?: unknown } | undefined)?.code;
  const reason =
    typeof code === "string" ? (REASONS[code] ?? code) : cause instanceof Error ? cause.message : "unknown";
  const marked = marks.stale === true || marks.nothingSent === true;
  return new MohoError("upstream_unreachable", `${url.host}: ${reason}.`, {
    cause,
    ...(marked && { details: { ...marks } }),
  });
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there (ECONNREFUSED)",
  ENOTFOUND: "the name does not resolve (ENOTFOUND)",
  EAI_AGAIN: "the name does not resolve at the moment (EAI_AGAIN)",
  ECONNRESET: "the connection was closed (ECONNRESET)",
  UND_ERR_SOCKET: "the connection was closed",
  EHOSTUNREACH: "the host cannot be reached (EHOSTUNREACH)",
  CERT_HAS_EXPIRED: "its certificate has expired",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate chain is not trusted here (SELF_SIGNED_CERT_IN_CHAIN)",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate's issuer is not trusted here",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed and not trusted here",
};

/** Lower-case names, one text a name. */
export function flatHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) flat[name.toLowerCase()] = Array.isArray(value) ? value.join(", ") : value;
  return flat;
}
