/** What a scripted model is told to do, request by request. */

import type { Item, Usage } from "@moho/protocol";
import type { AnswerEnd } from "@moho/wire";

/** One request as it came off the socket. */
export interface RecordedRequest {
  method: string;
  path: string;
  /** Lower-case names. */
  headers: Record<string, string>;
  /** Names and values in arrival order. */
  rawHeaders: string[];
  body: Buffer;
  /** The body as JSON; `undefined` when it is none. */
  json: unknown;
  /** Epoch milliseconds when the whole request had arrived. */
  at: number;
  /** Epoch milliseconds when the client went away before the answer had ended. */
  cutAt: number | undefined;
}

/** An answer that is not a model's: an HTTP error. A string body is sent as it is. */
export interface HttpAnswer {
  status: number;
  headers?: Record<string, string>;
  body?: unknown;
}

/**
 * What goes wrong while an answer streams. Events are counted from the beginning: `response.created` is the first.
 * `after: n` means once n events were sent, so 0 is before the first, but behind the response's head.
 */
export type Fault =
  /** The socket breaks after so many bytes of the body, or events. */
  | { kind: "drop"; afterBytes: number }
  | { kind: "drop"; after: number }
  /** The body ends cleanly after so many events. */
  | { kind: "end"; after: number }
  /** Raw bytes between two events: a malformed or unknown event, a keep-alive comment. */
  | { kind: "insert"; after: number; raw: string }
  | { kind: "pause"; after: number; ms: number }
  /** Nothing more comes, and nothing ends, until the client goes or the server closes. */
  | { kind: "silence"; after: number }
  /** Not even the head of the response comes. */
  | { kind: "no-answer" }
  /** `response.failed` in place of what would have followed. */
  | { kind: "fail"; after: number; code: string; message: string };

export interface Turn {
  /** What the model says; nothing when absent. */
  items?: readonly Item[];
  usage?: Usage;
  /** How the answer ends; `completed` when absent. */
  end?: AnswerEnd;
  /** UTF-16 units in a delta. */
  chunk?: number;
  /** So many events, then a wait. */
  pace?: { events: number; everyMs: number };
  faults?: readonly Fault[];
  /** Instead of all this. */
  http?: HttpAnswer;
}

/** Turns in order, one a request; or a function that decides from the request and its number (0 for the first). */
export type Script =
  | readonly (Turn | ((request: RecordedRequest) => Turn))[]
  | ((request: RecordedRequest, n: number) => Turn);

/** The turn of the n-th request. A script that is over says so, in an answer that no client retries. */
export function turnOf(script: Script, request: RecordedRequest, n: number): Turn {
  if (typeof script === "function") return script(request, n);
  const turn = script[n];
  if (typeof turn === "function") return turn(request);
  return (
    turn ?? {
      http: openAiError(
        400,
        "script_over",
        `The script has ${script.length} turns, this is request ${n + 1}.`,
      ),
    }
  );
}

/** An error body as Mantle's OpenAI routes write it. */
export function openAiError(
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): HttpAnswer {
  return { status, headers, body: { error: { code, message, param: null, type: "invalid_request_error" } } };
}

/** The refusals that clients must tell apart, as Bedrock words them. */
export const REFUSALS = {
  throttled: openAiError(429, "rate_limit_exceeded", "Too many tokens, please wait before trying again."),
  throttledFor: (seconds: number) =>
    openAiError(429, "rate_limit_exceeded", "Too many requests, please wait before trying again.", {
      "retry-after": String(seconds),
    }),
  serverError: openAiError(
    500,
    "internal_server_error",
    "The server had an error while processing your request.",
  ),
  overloaded: openAiError(503, "server_is_overloaded", "The model is overloaded. Try again later."),
  badRequest: openAiError(400, "validation_error", "Invalid type for 'input'."),
  overflow: openAiError(
    400,
    "context_length_exceeded",
    "Your input exceeds the context window of this model.",
  ),
  badKey: openAiError(401, "invalid_api_key", "Invalid bearer token"),
  expired: {
    status: 403,
    headers: { "x-amzn-errortype": "ExpiredTokenException" },
    body: { message: "The security token included in the request is expired" },
  },
  denied: openAiError(
    403,
    "access_denied",
    "User: arn:aws:iam::111122223333:user/dev is not authorized to perform: bedrock-mantle:CreateInference on resource: arn:aws:bedrock-mantle:us-east-1:111122223333:project/default because no identity-based policy allows the bedrock-mantle:CreateInference action",
  ),
} as const;
