/**
 * The closed error table. Every failure a user can see has one row: what it is called, how HTTP says it,
 * who is at fault, whether trying again can help, and what to do next. `docs/errors.md` is held against it.
 */

export type ErrorCategory =
  | "usage"
  | "authentication"
  | "permission"
  | "budget"
  | "not_found"
  | "conflict"
  | "throttled"
  | "overloaded"
  | "overflow"
  | "upstream"
  | "sandbox"
  | "interrupted"
  | "internal";

export interface ErrorRow {
  /** HTTP status a gateway answers with. */
  status: number;
  category: ErrorCategory;
  /** May the same request succeed later without a human acting? */
  retryable: boolean;
  /** What the user does next, one sentence. */
  next: string;
}

const row = (status: number, category: ErrorCategory, retryable: boolean, next: string): ErrorRow => ({
  status,
  category,
  retryable,
  next,
});

export const ERRORS = {
  // The caller's request or configuration
  invalid_request: row(400, "usage", false, "Correct what the message names."),
  invalid_config: row(400, "usage", false, "Correct the setting that the message names."),
  invalid_patch: row(
    400,
    "usage",
    false,
    "Read the file again and send a patch whose context lines match it.",
  ),
  body_too_large: row(413, "usage", false, "Send less, or raise the gateway's `limits.body_bytes`."),
  unsupported_item: row(
    400,
    "usage",
    false,
    "Remove the item or tool that the message names, or choose a model that takes it.",
  ),
  unknown_model: row(404, "not_found", false, "Use one of the model ids that the message lists."),
  model_not_priced: row(400, "budget", false, "Add the model's price to the gateway's price table."),
  not_found: row(404, "not_found", false, "Check the path and the id."),
  method_not_allowed: row(405, "usage", false, "Use one of the methods in the `allow` header."),
  conflict: row(409, "conflict", false, "Read the current state, then decide again."),
  // Who is calling
  missing_credentials: row(
    401,
    "authentication",
    false,
    "Sign the request with AWS credentials or send a Bedrock API key.",
  ),
  invalid_api_key: row(401, "authentication", false, "Check the key, or make a new one."),
  unknown_access_key: row(
    403,
    "authentication",
    false,
    "Check the access key id, or ask the gateway's administrator for one.",
  ),
  invalid_signature: row(
    403,
    "authentication",
    false,
    "Check the secret access key, and that no proxy changes signed headers.",
  ),
  clock_skew: row(
    403,
    "authentication",
    true,
    "Set the machine's clock; the answer's `date` header has the server's time.",
  ),
  expired_credentials: row(403, "authentication", false, "Sign in again, for example with `aws sso login`."),
  no_credentials: row(
    401,
    "authentication",
    false,
    "Run `moho auth status` to see every source that was tried.",
  ),
  principal_changed: row(
    403,
    "authentication",
    false,
    "Start a new run if the change of identity is wanted.",
  ),
  // May they
  access_denied: row(
    403,
    "permission",
    false,
    "Ask whoever manages the policies to allow the action that the message names.",
  ),
  budget_exceeded: row(
    402,
    "budget",
    false,
    "Ask the budget's owner for more, or wait for the reset that the message names.",
  ),
  cost_limit_reached: row(402, "budget", false, "Run again with a higher `--max-cost`."),
  turn_limit_reached: row(400, "budget", false, "Run again with a higher `--max-turns`."),
  time_limit_reached: row(408, "budget", false, "Run again with a higher `--timeout`."),
  // The model side
  throttled: row(429, "throttled", true, "Wait as long as the answer says, or ask AWS for a higher quota."),
  quota_zero: row(429, "throttled", false, "Ask AWS for a quota above zero for this model and region."),
  overloaded: row(503, "overloaded", true, "Try again in a moment, or use another region."),
  context_overflow: row(400, "overflow", false, "Compact the thread or start a new one."),
  output_limit: row(400, "overflow", false, "Ask for less, or raise the model's output limit."),
  content_filtered: row(
    400,
    "permission",
    false,
    "Rephrase: the provider's content filter stopped the answer.",
  ),
  upstream_unreachable: row(502, "upstream", true, "Check the upstream's address and the network."),
  upstream_timeout: row(504, "upstream", true, "Try again; the message names the clock that ran out."),
  upstream_error: row(
    502,
    "upstream",
    true,
    "Try again; the message carries the upstream's own words and request id.",
  ),
  upstream_refused: row(
    400,
    "upstream",
    false,
    "The upstream refused the request: the message carries its words.",
  ),
  upstream_auth: row(
    502,
    "upstream",
    false,
    "The gateway's own credentials were refused upstream: its operator must act.",
  ),
  stream_interrupted: row(
    502,
    "upstream",
    true,
    "Try again; the upstream ended its stream before the answer was complete.",
  ),
  // Here
  sandbox_unavailable: row(
    500,
    "sandbox",
    false,
    "Run `moho sandbox status`, or choose another sandbox mode.",
  ),
  thread_not_found: row(
    404,
    "not_found",
    false,
    "Check the thread's id and the folder, or start a new thread with `moho exec`.",
  ),
  thread_busy: row(
    409,
    "conflict",
    true,
    "Another process is writing this thread: wait for it or fork the thread.",
  ),
  log_corrupt: row(
    500,
    "internal",
    false,
    "Keep the file, and report the sequence number that the message names.",
  ),
  interrupted: row(499, "interrupted", false, 'Resume with `moho exec resume --last "go on"`.'),
  unavailable: row(
    503,
    "internal",
    true,
    "The service is starting, stopping or cannot write its records: try again.",
  ),
  internal: row(500, "internal", false, "Report this with the request id."),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorOptions {
  cause?: unknown;
  requestId?: string;
  /** Seconds to wait before trying again, when the other side said so. */
  retryAfter?: number;
  /** Overrides the row's `next` when more is known here. */
  next?: string;
  /** Machine-readable facts that may be shown to the caller: never secrets. */
  details?: Record<string, unknown>;
}

/** A failure with a row in {@link ERRORS}. The message says what happened and why; `next` what to do. */
export class MohoError extends Error {
  override readonly name = "MohoError";
  readonly code: ErrorCode;
  readonly requestId: string | undefined;
  readonly retryAfter: number | undefined;
  readonly next: string;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.requestId = options.requestId;
    this.retryAfter = options.retryAfter;
    this.next = options.next ?? ERRORS[code].next;
    this.details = options.details;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
  get category(): ErrorCategory {
    return ERRORS[this.code].category;
  }
  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}

/** Any thrown value as a {@link MohoError}; unknown ones become `internal` and keep their cause. */
export function toMohoError(error: unknown): MohoError {
  if (error instanceof MohoError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new MohoError("internal", message, { cause: error });
}
