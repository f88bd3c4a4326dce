/** A {@link MohoError} as the HTTP answer of each route family (aws-wire §1.7, §3.2), as its own SDKs decode it. */

import type { ErrorCategory, ErrorCode, MohoError } from "@moho/protocol";

/** `openai`: Responses and Chat routes; `anthropic`: Messages; `aws`: `/model/*` and the other rest-json services. */
export type ErrorFamily = "openai" | "anthropic" | "aws";

export interface RenderedError {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** How one family says one kind of failure. Without `status` the error table's own holds. */
interface Form {
  status?: number;
  /** The machine-readable word: `error.code`, `error.type`, `x-amzn-errortype`. */
  name: string;
  /** OpenAI's second word. */
  type?: string;
}

type Forms = Readonly<Record<ErrorCategory, Form>> & {
  readonly codes: Readonly<Partial<Record<ErrorCode, Form>>>;
};

const OPENAI: Forms = {
  usage: { name: "validation_error", type: "invalid_request_error" },
  authentication: { status: 401, name: "invalid_api_key", type: "invalid_request_error" },
  permission: { name: "access_denied", type: "permission_denied_error" },
  budget: { name: "budget_exceeded", type: "insufficient_quota" },
  not_found: { name: "not_found_error", type: "invalid_request_error" },
  conflict: { name: "conflict", type: "invalid_request_error" },
  throttled: { name: "rate_limit_exceeded", type: "rate_limit_error" },
  overloaded: { name: "server_is_overloaded", type: "service_unavailable_error" },
  overflow: { name: "context_length_exceeded", type: "invalid_request_error" },
  upstream: { name: "upstream_error", type: "server_error" },
  sandbox: { name: "internal_server_error", type: "server_error" },
  interrupted: { name: "interrupted", type: "server_error" },
  internal: { name: "internal_server_error", type: "server_error" },
  codes: {
    quota_zero: { name: "insufficient_quota", type: "insufficient_quota" },
    content_filtered: { name: "content_filter", type: "invalid_request_error" },
    output_limit: { name: "max_output_tokens", type: "invalid_request_error" },
    upstream_refused: { name: "validation_error", type: "invalid_request_error" },
    model_not_priced: { name: "model_not_priced", type: "invalid_request_error" },
    unavailable: { name: "service_unavailable", type: "service_unavailable_error" },
  },
};

const ANTHROPIC: Forms = {
  usage: { name: "invalid_request_error" },
  authentication: { status: 401, name: "authentication_error" },
  permission: { name: "permission_error" },
  budget: { name: "billing_error" },
  not_found: { name: "not_found_error" },
  conflict: { name: "invalid_request_error" },
  throttled: { name: "rate_limit_error" },
  overloaded: { status: 529, name: "overloaded_error" },
  overflow: { name: "invalid_request_error" },
  upstream: { name: "api_error" },
  sandbox: { name: "api_error" },
  interrupted: { name: "api_error" },
  internal: { name: "api_error" },
  codes: {
    body_too_large: { name: "request_too_large" },
    content_filtered: { name: "invalid_request_error" },
    upstream_refused: { name: "invalid_request_error" },
    model_not_priced: { name: "invalid_request_error" },
  },
};

const AWS: Forms = {
  usage: { status: 400, name: "ValidationException" },
  authentication: { status: 403, name: "UnrecognizedClientException" },
  permission: { status: 403, name: "AccessDeniedException" },
  budget: { status: 400, name: "ServiceQuotaExceededException" },
  not_found: { status: 404, name: "ResourceNotFoundException" },
  conflict: { status: 400, name: "ConflictException" },
  throttled: { status: 429, name: "ThrottlingException" },
  overloaded: { status: 503, name: "ServiceUnavailableException" },
  overflow: { status: 400, name: "ValidationException" },
  upstream: { status: 503, name: "ServiceUnavailableException" },
  sandbox: { status: 500, name: "InternalServerException" },
  interrupted: { status: 500, name: "InternalServerException" },
  internal: { status: 500, name: "InternalServerException" },
  codes: {
    body_too_large: { status: 413, name: "RequestEntityTooLargeException" },
    method_not_allowed: { status: 405, name: "UnsupportedOperationException" },
    missing_credentials: { status: 403, name: "MissingAuthenticationTokenException" },
    invalid_api_key: { status: 403, name: "AccessDeniedException" },
    invalid_signature: { status: 403, name: "InvalidSignatureException" },
    clock_skew: { status: 403, name: "InvalidSignatureException" },
    expired_credentials: { status: 403, name: "ExpiredTokenException" },
    quota_zero: { status: 400, name: "ServiceQuotaExceededException" },
    content_filtered: { status: 400, name: "ValidationException" },
    model_not_priced: { status: 400, name: "ValidationException" },
    upstream_timeout: { status: 408, name: "ModelTimeoutException" },
    upstream_refused: { status: 400, name: "ValidationException" },
    upstream_auth: { status: 500, name: "InternalServerException" },
    unavailable: { status: 503, name: "ServiceUnavailableException" },
  },
};

const FAMILIES: Readonly<Record<ErrorFamily, Forms>> = { openai: OPENAI, anthropic: ANTHROPIC, aws: AWS };

/**
 * Renders `error`. The text ends with what to do next, for clients that show nothing else. `x-moho-error` carries the
 * table's code for {@link explainUpstreamError}; `x-should-retry` tells the OpenAI and Anthropic SDKs what the status
 * cannot. The caller adds `date`, and its own request id when the error has none.
 */
export function renderError(error: MohoError, family: ErrorFamily): RenderedError {
  const forms = FAMILIES[family];
  const form = forms.codes[error.code] ?? forms[error.category];
  return {
    status: form.status ?? error.status,
    headers: headersOf(error, family, form),
    body: JSON.stringify(bodyOf(error, family, form)),
  };
}

/** The `code` and text of an error inside a Responses stream. */
export function openAiErrorCode(error: MohoError): { code: string; message: string } {
  const { name } = OPENAI.codes[error.code] ?? OPENAI[error.category];
  // Codex and others retry a broken stream on `server_error` alone.
  return { code: error.category === "upstream" ? "server_error" : name, message: fullText(error) };
}

/** The exceptions that a Converse or InvokeModel stream may carry, as the service model spells them. */
const STREAM_EXCEPTIONS: ReadonlySet<string> = new Set([
  "ThrottlingException",
  "ModelStreamErrorException",
  "InternalServerException",
  "ServiceUnavailableException",
  "ValidationException",
]);

/** The exception inside an AWS event stream: the same name as over HTTP where streams have it, else the nearest one. */
export function awsStreamException(error: MohoError): { type: string; message: string } {
  const { name } = AWS.codes[error.code] ?? AWS[error.category];
  const broken = error.category === "upstream" && error.code !== "upstream_refused";
  const nearest = error.status >= 500 ? "InternalServerException" : "ValidationException";
  const known = STREAM_EXCEPTIONS.has(name) ? name : nearest;
  const type = broken ? "ModelStreamErrorException" : known;
  return { type: `${type[0]!.toLowerCase()}${type.slice(1)}`, message: fullText(error) };
}

function headersOf(error: MohoError, family: ErrorFamily, form: Form): Record<string, string> {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "x-moho-error": error.code,
  };
  if (error.requestId !== undefined) {
    headers["x-amzn-requestid"] = error.requestId;
    if (family === "openai") headers["x-request-id"] = error.requestId;
    if (family === "anthropic") headers["request-id"] = error.requestId;
  }
  if (family === "aws") headers["x-amzn-errortype"] = form.name;
  else headers["x-should-retry"] = String(error.retryable);
  if (error.retryAfter !== undefined) headers["retry-after"] = String(Math.ceil(error.retryAfter));
  return headers;
}

function bodyOf(error: MohoError, family: ErrorFamily, form: Form): unknown {
  const message = fullText(error);
  if (family === "aws") {
    // The service layer writes `message`, the authentication layer in front of it `Message`.
    return error.category === "authentication"
      ? { Message: message, next: error.next }
      : { message, next: error.next };
  }
  if (family === "anthropic") {
    return {
      type: "error",
      ...(error.requestId !== undefined && { request_id: error.requestId }),
      error: { type: form.name, message, next: error.next },
    };
  }
  const param = error.details?.["param"];
  return {
    error: {
      code: form.name,
      message,
      param: typeof param === "string" ? param : null,
      type: form.type,
      next: error.next,
    },
  };
}

function fullText(error: MohoError): string {
  const { message, next } = error;
  return `${message}${/[.!?:]$/.test(message) ? "" : "."} ${next}`.trim();
}
