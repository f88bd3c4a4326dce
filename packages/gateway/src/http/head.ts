/** Reads a raw header list once: what the gateway needs, what may travel upstream, and what a smuggler would try. */

import { MohoError } from "@moho/protocol";

export interface RequestHead {
  contentLength: number | undefined;
  expectsContinue: boolean;
  userAgent: string;
  /** `OpenAI-Project`. */
  project: string | undefined;
  /** Headers that may travel upstream, lower-case names. Never credentials, cookies or hop-by-hop headers. */
  forward: Record<string, string>;
}

/** Said twice, these could mean one thing to us and another to the next reader of the same bytes. */
const ONCE = new Set([
  ":authority",
  ":path",
  "authorization",
  "content-encoding",
  "content-length",
  "content-type",
  "expect",
  "host",
  "openai-project",
  "transfer-encoding",
  "x-amz-content-sha256",
  "x-amz-date",
  "x-amz-security-token",
  "x-api-key",
]);

/** What clients of the OpenAI routes say about themselves and their call; everything else stays here. */
const FORWARD = new Set([
  "accept",
  "content-type",
  "idempotency-key",
  "openai-beta",
  "session-id",
  "thread-id",
  "x-amzn-mantle-client-agent",
  "x-client-request-id",
]);
const FORWARD_PREFIX = "x-codex-";

const DIGITS = /^\d{1,15}$/;

/** Throws `invalid_request` for a head that two readers could understand differently. */
export function readHead(rawHeaders: readonly string[]): RequestHead {
  const head: RequestHead = {
    contentLength: undefined,
    expectsContinue: false,
    userAgent: "",
    project: undefined,
    forward: {},
  };
  const once = new Map<string, string>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    const value = rawHeaders[i + 1]!;
    if (ONCE.has(name)) {
      if (once.has(name)) throw new MohoError("invalid_request", `The header "${name}" came more than once.`);
      once.set(name, value);
    }
    if (FORWARD.has(name) || name.startsWith(FORWARD_PREFIX)) head.forward[name] = value;
    else take(head, name, value);
  }
  if (once.has("content-length") && once.has("transfer-encoding")) {
    throw new MohoError("invalid_request", "The request has both content-length and transfer-encoding.");
  }
  const authority = once.get(":authority");
  if (authority === undefined && !once.has("host")) {
    throw new MohoError("invalid_request", "The request has no host header.");
  }
  if (authority !== undefined && (once.get("host") ?? authority) !== authority) {
    throw new MohoError("invalid_request", "The headers host and :authority name different hosts.");
  }
  return head;
}

function take(head: RequestHead, name: string, value: string): void {
  switch (name) {
    case "content-length":
      if (!DIGITS.test(value)) throw new MohoError("invalid_request", "The content-length is not a number.");
      head.contentLength = Number(value);
      break;
    case "content-encoding":
      if (value.toLowerCase() !== "identity") {
        throw new MohoError(
          "invalid_request",
          `A body with content-encoding "${value}" is not taken: send it plain.`,
        );
      }
      break;
    case "expect":
      head.expectsContinue = value.toLowerCase() === "100-continue";
      break;
    case "openai-project":
      head.project = value;
      break;
    case "user-agent":
      head.userAgent = value;
      break;
  }
}
