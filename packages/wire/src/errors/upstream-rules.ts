/**
 * The one table that says what a model server's failure means (needs STREAM-3, MODEL-5). First matching row wins.
 * Rows decide by wire name and status; by the message's words only where Bedrock tells two cases apart by nothing else.
 * Held against real messages by `test/fixtures/upstream-errors.json`.
 */

import type { ErrorCode } from "@moho/protocol";

/** What is known of one failure. */
export interface Failure {
  /** HTTP status; 0 for a failure inside a stream. */
  status: number;
  /** Wire names, lower-case: `x-amzn-errortype`, `__type`, `code`, `type`; `html` when a web page answered. */
  names: ReadonlySet<string>;
  /** The server's words. */
  message: string;
  /** The id that was asked for. */
  model: string | undefined;
  region: string | undefined;
}

export interface Rule {
  names?: readonly string[];
  status?: readonly number[];
  text?: RegExp;
  code: ErrorCode;
  /** What to do next, where the error table's own sentence says too little. */
  next?: string | ((failure: Failure) => string);
}

const THROTTLED = [
  "throttlingexception",
  "throttledexception",
  "throttling",
  "toomanyrequestsexception",
  "requestlimitexceeded",
  "rate_limit_exceeded",
  "rate_limit_error",
];
const OVERLOADED = [
  "modelnotreadyexception",
  "serviceunavailableexception",
  "serviceunavailable",
  "service_unavailable",
  "service_unavailable_error",
  "server_is_overloaded",
  "overloaded_error",
  "slow_down",
];
const DENIED = [
  "accessdeniedexception",
  "accessdenied",
  "access_denied",
  "permission_denied_error",
  "permission_error",
];
const UNAUTHENTICATED = [401, 403];

/** `User: … is not authorized to perform: <action> on resource: <arn> because …` (aws-wire §7.4). */
const DENIAL =
  /is not authorized to perform: (\S+)(?: on resource: (\S+))?(?: because no (.{1,40}?)(?: policy)? allows| with an explicit deny in an? (identity-based|resource-based|service control|resource control|session|vpc endpoint|permissions boundary))?/i;

export const RULES: readonly Rule[] = [
  // Something between here and the model answered.
  {
    names: ["html"],
    status: [300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 407],
    code: "upstream_refused",
    next: "A web page answered, not a model: check `base_url`, `HTTPS_PROXY` and `NO_PROXY`.",
  },
  {
    status: [407],
    code: "upstream_refused",
    next: "The proxy wants a sign-in: check `HTTPS_PROXY`.",
  },

  // Throttling comes before overflow: "too many tokens" is a rate here.
  { names: ["insufficient_quota"], code: "quota_zero" },
  {
    names: [...THROTTLED, "servicequotaexceededexception"],
    text: /\b(?:quota|limit)\b[^.]{0,80}(?:\bis|\bof|:|=)\s*0(?![\d.,]*\d)/i,
    code: "quota_zero",
  },
  { names: ["modelnotreadyexception"], code: "overloaded" },
  {
    names: THROTTLED,
    text: /tokens per day/i,
    code: "throttled",
    next: "The daily token quota is used up: wait for the next day (UTC), or ask AWS for a higher quota.",
  },
  { names: THROTTLED, code: "throttled" },
  { status: [429], text: /insufficient_quota|check your plan and billing/i, code: "quota_zero" },
  { status: [429], code: "throttled" },
  { names: ["servicequotaexceededexception"], code: "quota_zero" },
  { names: OVERLOADED, code: "overloaded" },
  { status: [503, 529], code: "overloaded" },

  // Who is calling.
  { names: ["requesttimetooskewed"], code: "clock_skew" },
  {
    status: [400, ...UNAUTHENTICATED],
    text: /\bsignature (?:has )?(?:expired|not yet current)|\brequest has expired/i,
    code: "clock_skew",
  },
  {
    names: ["expiredtokenexception", "expiredtoken", "expired_token"],
    code: "expired_credentials",
  },
  {
    status: UNAUTHENTICATED,
    text: /(?:bearer token|api key)\b.{0,40}\bexpired/i,
    code: "expired_credentials",
    next: "Make a new Bedrock API key, or unset `AWS_BEARER_TOKEN_BEDROCK` to use your AWS profile.",
  },
  {
    status: UNAUTHENTICATED,
    text: /token .{0,40}\bexpired/i,
    code: "expired_credentials",
  },
  {
    status: [400, ...UNAUTHENTICATED],
    text: /credential should be scoped to a valid region/i,
    code: "invalid_signature",
    next: "The request was signed for another region than the endpoint's: set the provider's `aws.region`.",
  },
  {
    status: [400, ...UNAUTHENTICATED],
    text: /credential should be scoped to correct service/i,
    code: "invalid_signature",
    next: "The request was signed for another service than the endpoint's: `amazon-bedrock` is for Mantle hosts, `amazon-bedrock-runtime` for Runtime hosts.",
  },
  {
    names: [
      "invalidsignatureexception",
      "signaturedoesnotmatch",
      "incompletesignatureexception",
      "incompletesignature",
    ],
    code: "invalid_signature",
  },
  {
    names: ["missingauthenticationtokenexception", "missingauthenticationtoken"],
    code: "missing_credentials",
  },
  { names: ["unrecognizedclientexception", "invalidclienttokenid"], code: "unknown_access_key" },
  {
    status: UNAUTHENTICATED,
    text: /security token included in the request is invalid/i,
    code: "unknown_access_key",
  },
  { status: UNAUTHENTICATED, text: /request signature we calculated/i, code: "invalid_signature" },
  {
    status: UNAUTHENTICATED,
    text: /make sure your api key is valid|invalid (?:bearer token|api key)/i,
    code: "invalid_api_key",
    next: "Check the key and its region: a short-term Bedrock API key works only in the region it was made for.",
  },
  { names: ["invalid_api_key", "authentication_error"], code: "invalid_api_key" },

  // May they: the account first, then IAM's own sentence.
  {
    text: /aws-marketplace:|aws marketplace subscription/i,
    code: "access_denied",
    next: "Let somebody with `aws-marketplace:Subscribe` call the model once; access follows within minutes.",
  },
  {
    text: /invalid_payment_instrument/i,
    code: "access_denied",
    next: "Add a valid payment method to the AWS account.",
  },
  {
    text: /use case details have not been submitted/i,
    code: "access_denied",
    next: "Submit the provider's use-case form in the Bedrock console, then try again after 15 minutes.",
  },
  {
    text: /unsupported countries, regions, or territories/i,
    code: "access_denied",
    next: "The provider does not serve this model where the call comes from: use another model.",
  },
  {
    text: /don.t have access to the model|model access is denied/i,
    code: "access_denied",
    next: ({ model, region }) =>
      `Ask for access to ${model ?? "the model"} in the Bedrock console${region ? ` of ${region}` : ""}.`,
  },
  {
    text: /your account is not authorized|^operation not allowed\.?$/i,
    code: "access_denied",
    next: "AWS has not opened Bedrock for this account: ask AWS Support (new and unverified accounts are held back).",
  },
  { text: DENIAL, code: "access_denied", next: afterDenial },
  { names: DENIED, code: "access_denied" },
  {
    text: /data retention mode/i,
    code: "upstream_refused",
    next: "The model is not served under this data-retention mode: have an administrator change it for the project or account, or use another model.",
  },

  // What was asked for.
  { names: ["context_length_exceeded", "model_context_window_exceeded"], code: "context_overflow" },
  {
    status: [0, 400, 413, 422],
    text: /input is too long|prompt is too long|exceeds? (?:the )?(?:maximum )?context (?:limit|window|length)|maximum context length|input tokens? exceeds?|too many input tokens|exceeds the (?:model's )?maximum (?:number of )?input/i,
    code: "context_overflow",
  },
  { status: [413], code: "body_too_large" },
  {
    status: [400],
    text: /maximum tokens you requested exceeds|max_(?:output_|completion_)?tokens: \d+ > \d+/i,
    code: "invalid_request",
    next: "Ask for fewer output tokens.",
  },
  {
    text: /on-demand throughput isn.t supported/i,
    code: "unknown_model",
    next: ({ model, region }) =>
      `Use an inference profile: \`${profilePrefix(region)}.${model ?? "<model>"}\` or \`global.${model ?? "<model>"}\`.`,
  },
  {
    text: /reached the end of its life|marked by (?:the )?provider as legacy/i,
    code: "unknown_model",
    next: "The model was retired: use a current one.",
  },
  { names: ["model_not_found"], code: "unknown_model", next: unknownModelNext },
  {
    status: [400, 404],
    text: /\bmodel\b.{0,200}\b(?:does(?:n.t| not) exist|not found)/i,
    code: "unknown_model",
    next: unknownModelNext,
  },
  {
    text: /does(?:n.t| not) support (?:the|this) .{0,60}\bapi\b|(?:not|isn.t) supported on this route/i,
    code: "upstream_refused",
    next: "On Mantle, GPT models are served under `/openai/v1`, gpt-oss and most open models under `/v1`, Claude under `/anthropic/v1`: check `base_url` and the model.",
  },
  {
    status: [400, 403, 404],
    text: /(?:not|isn.t) (?:available|supported) in (?:this|the|your) .{0,40}region/i,
    code: "unknown_model",
    next: ({ model, region }) =>
      `${model ?? "The model"} is not served in ${region ?? "this region"}: choose another region or model.`,
  },
  {
    text: /provided model identifier is invalid|could not resolve the foundation model/i,
    code: "unknown_model",
    next: ({ model, region }) =>
      `Check the id${model ? ` \`${model}\`` : ""}${region ? ` and that ${region} serves it` : ""}: Mantle ids have no \`us.\`/\`global.\` prefix and no version suffix, Runtime ids may need both.`,
  },
  {
    names: ["unknownoperationexception"],
    code: "not_found",
    next: "The server does not know this path: check `base_url`.",
  },
  { status: [404], code: "not_found", next: "Check `base_url`, its path above all, and the id." },
  { names: ["content_filter", "content_policy_violation", "invalid_prompt"], code: "content_filtered" },
  { status: [402], code: "budget_exceeded", next: "The upstream's own account or budget is used up." },

  // The server's own trouble, then whatever is left.
  { names: ["modeltimeoutexception"], code: "upstream_timeout" },
  { status: [408, 504], code: "upstream_timeout" },
  {
    names: [
      "modelerrorexception",
      "modelstreamerrorexception",
      "internalserverexception",
      "internalfailure",
      "internal_server_error",
      "server_error",
      "api_error",
    ],
    code: "upstream_error",
  },
  { status: [401], code: "invalid_api_key" },
  { status: [403], code: "access_denied" },
  { names: ["validationexception", "validation_error", "invalid_request_error"], code: "upstream_refused" },
];

/** The three facts of AWS's denial sentence. `layer` is the kind of policy, for example `service control`. */
export function readDenial(
  message: string,
): { action: string; resource: string; layer: string; explicit: boolean } | undefined {
  const match = DENIAL.exec(message);
  if (match === null) return undefined;
  return {
    action: match[1]!,
    resource: match[2] ?? "*",
    layer: (match[3] ?? match[4] ?? "identity-based").toLowerCase(),
    explicit: match[4] !== undefined,
  };
}

/** The least policy that allows `action` on `resource`. */
export function minimalPolicy(action: string, resource: string): Record<string, unknown> {
  return { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: action, Resource: resource }] };
}

function afterDenial({ message }: Failure): string {
  const denial = readDenial(message);
  if (denial === undefined) return "Ask for the permission that the message names.";
  const { action, resource, layer, explicit } = denial;
  if (layer === "service control" || layer === "resource control") {
    return `Your organization's ${layer} policy forbids ${action}: only its administrators can change that.`;
  }
  if (layer === "vpc endpoint") {
    return `The VPC endpoint's policy ${explicit ? "forbids" : "does not allow"} ${action}: ask the owner of the endpoint.`;
  }
  const where = layer === "permissions boundary" ? layer : `${layer} policy`;
  if (explicit) return `An explicit deny in a ${where} forbids ${action}: adding permissions does not help.`;
  const profile = resource.includes("inference-profile/")
    ? " An inference profile needs it on the foundation-model ARNs of its regions as well."
    : "";
  return `Ask for this in a ${where}: ${JSON.stringify(minimalPolicy(action, resource))}.${profile}`;
}

function unknownModelNext({ model }: Failure): string {
  return `Check the id${model ? ` \`${model}\`` : ""}: on Mantle it begins with the vendor, for example \`openai.\`.`;
}

function profilePrefix(region: string | undefined): string {
  if (region?.startsWith("us-gov-")) return "us-gov";
  if (region?.startsWith("eu-")) return "eu";
  if (region?.startsWith("ap-")) return "apac";
  return "us";
}
