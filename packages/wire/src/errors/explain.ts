/** A model server's failure, in any dialect, as a {@link MohoError} with the server's words, request id and next step. */

import { Buffer } from "node:buffer";
import { ERRORS, type ErrorCode, MohoError } from "@moho/protocol";
import { parseJson, record } from "../framing/json.ts";
import { type Failure, minimalPolicy, RULES, type Rule, readDenial } from "./upstream-rules.ts";

export interface UpstreamContext {
  /** Who answered, as the message names it: `Bedrock Mantle`, a base URL. */
  endpoint: string;
  model?: string;
  region?: string;
}

export interface UpstreamAnswer {
  status: number;
  /** Lower-case names. */
  headers: Readonly<Record<string, string>>;
  body: Uint8Array | string;
  context: UpstreamContext;
}

/** Bytes of a body that are read, and characters of the server's text that a message carries. */
const BODY_LIMIT = 64 * 1024;
const TEXT_LIMIT = 1000;

/** Explains an HTTP answer that is not a success. Never throws; never repeats credentials that the server echoed. */
export function explainUpstreamError(answer: UpstreamAnswer): MohoError {
  const { status, headers, context } = answer;
  const body = readBody(answer.body, headers["content-type"] ?? "");
  const names = new Set<string>(body.names);
  addName(names, headers["x-amzn-errortype"]);
  const requestId =
    headers["x-amzn-requestid"] ?? headers["x-request-id"] ?? headers["request-id"] ?? body.requestId;
  const retryAfter = retryAfterOf(headers) ?? retryAfterIn(body.message);

  const own = headers["x-moho-error"];
  if (own !== undefined && Object.hasOwn(ERRORS, own)) {
    return ownError(own as ErrorCode, body, { requestId, retryAfter });
  }
  const failure: Failure = {
    status,
    names,
    message: body.message,
    model: context.model,
    region: context.region,
  };
  return explain(failure, context, { requestId, retryAfter });
}

/** Explains an error object inside a stream: `{code, message, type}`, or the same nested under `error`. */
export function explainStreamError(raw: unknown, context: UpstreamContext, requestId?: string): MohoError {
  const { names, message } = readErrorObject(raw);
  const failure: Failure = { status: 0, names, message, model: context.model, region: context.region };
  return explain(failure, context, { requestId, retryAfter: retryAfterIn(message) });
}

interface Extras {
  requestId: string | undefined;
  retryAfter: number | undefined;
}

function explain(failure: Failure, context: UpstreamContext, extras: Extras): MohoError {
  const rule = RULES.find((candidate) => matches(candidate, failure));
  const code = rule?.code ?? fallback(failure.status);
  const next = typeof rule?.next === "function" ? rule.next(failure) : rule?.next;
  const denial = readDenial(failure.message);
  return new MohoError(code, sentence(failure, context), {
    ...(extras.requestId !== undefined && { requestId: extras.requestId }),
    ...(extras.retryAfter !== undefined && { retryAfter: extras.retryAfter }),
    ...(next !== undefined && { next }),
    details: {
      upstreamStatus: failure.status,
      upstreamNames: [...failure.names],
      ...(code === "access_denied" &&
        denial !== undefined && {
          action: denial.action,
          resource: denial.resource,
          minimalPolicy: minimalPolicy(denial.action, denial.resource),
        }),
    },
  });
}

function matches(rule: Rule, failure: Failure): boolean {
  if (rule.status !== undefined && !rule.status.includes(failure.status)) return false;
  if (rule.names !== undefined && !rule.names.some((name) => failure.names.has(name))) return false;
  return rule.text === undefined || rule.text.test(failure.message);
}

function fallback(status: number): ErrorCode {
  return status === 0 || status >= 500 ? "upstream_error" : "upstream_refused";
}

function sentence(failure: Failure, context: UpstreamContext): string {
  const name = [...failure.names][0];
  const what = [failure.status === 0 ? undefined : String(failure.status), name]
    .filter((word) => word !== undefined)
    .join(" ");
  const about = [context.model && `for ${context.model}`, context.region && `in ${context.region}`]
    .filter((word) => word !== undefined && word !== "")
    .join(" ");
  const head = `${context.endpoint} answered ${what || "an error"}${about === "" ? "" : ` ${about}`}`;
  return failure.message === "" ? `${head}, without a word.` : `${head}: ${failure.message}`;
}

/** A Moho gateway's answer keeps its code. Its text ends with the next step for clients that show only the text. */
function ownError(code: ErrorCode, body: Body, extras: Extras): MohoError {
  const next = body.next ?? ERRORS[code].next;
  const message = body.message.endsWith(next) ? body.message.slice(0, -next.length).trimEnd() : body.message;
  return new MohoError(code, message, {
    next,
    ...(extras.requestId !== undefined && { requestId: extras.requestId }),
    ...(extras.retryAfter !== undefined && { retryAfter: extras.retryAfter }),
  });
}

interface Body {
  names: ReadonlySet<string>;
  message: string;
  requestId?: string;
  next?: string;
}

function readBody(body: Uint8Array | string, contentType: string): Body {
  const text =
    typeof body === "string"
      ? body.slice(0, BODY_LIMIT)
      : Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, BODY_LIMIT)).toString("utf8");
  const json = parseJson(text);
  if (typeof json === "object" && json !== null) return readErrorObject(json);
  if (contentType.includes("html") || /^\s*<(?:!doctype|html)/i.test(text)) {
    return {
      names: new Set(["html"]),
      message: clean(text.replace(/<(?:style|script)[\s\S]*?<\/[^>]*>|<[^>]*>/gi, " ")),
    };
  }
  const code = /<Code>([^<]{1,100})<\/Code>/.exec(text)?.[1];
  if (code !== undefined) {
    const names = new Set<string>();
    addName(names, code);
    return { names, message: clean(/<Message>([^<]*)<\/Message>/.exec(text)?.[1] ?? "") };
  }
  return { names: new Set(), message: clean(text) };
}

/** OpenAI and Anthropic nest `error`; AWS has `__type` and `message` or `Message`; FastAPI has `detail`. */
function readErrorObject(raw: unknown): Body {
  const outer = record(raw);
  const error =
    typeof outer["error"] === "object" && outer["error"] !== null ? record(outer["error"]) : outer;
  const names = new Set<string>();
  for (const key of ["__type", "code", "type"]) addName(names, error[key]);
  names.delete("error");
  const words =
    error["message"] ?? error["Message"] ?? outer["message"] ?? outer["error"] ?? outer["detail"] ?? "";
  const message = clean(typeof words === "string" ? words : JSON.stringify(words));
  return {
    names,
    message,
    ...(isPrintable(outer["request_id"]) && { requestId: outer["request_id"] }),
    ...(typeof error["next"] === "string" && { next: error["next"] }),
  };
}

/** `com.amazonaws.bedrock#ThrottlingException:http://…` is `throttlingexception`. */
function addName(names: Set<string>, value: unknown): void {
  if (typeof value !== "string" || value === "") return;
  const name = value.slice(value.indexOf("#") + 1).split(/[:,]/, 1)[0]!;
  names.add(name.trim().slice(0, 100).toLowerCase());
}

/**
 * The server's text, fit to be shown: one line, bounded, and without the secrets that signature errors echo
 * (the canonical request carries the session token, the `Authorization` header a bearer token).
 */
function clean(text: string): string {
  const line = text
    .slice(0, 4 * TEXT_LIMIT)
    .replace(/\s*The Canonical String for this request should have been[\s\S]*/i, "")
    .replace(/\bAuthorization\s*[=:][\s\S]*/i, "Authorization=[…]")
    .replace(/\bBearer\s+[A-Za-z0-9+/=._~-]{16,}/gi, "Bearer […]")
    .replace(/\b(?:ABSK|bedrock-api-key-|sk-)[A-Za-z0-9+/=_-]{8,}/g, "[…]")
    .replace(/x-amz-security-token:\S+/gi, "x-amz-security-token:[…]")
    .replace(/[\s\u0000-\u001f\u007f]+/g, " ")
    .trim();
  return line.length > TEXT_LIMIT ? `${line.slice(0, TEXT_LIMIT)}…` : line;
}

/** Fit to be sent on as a header. */
function isPrintable(value: unknown): value is string {
  return typeof value === "string" && /^[\x21-\x7e]{1,200}$/.test(value);
}

/** Seconds. A date is read against the answer's own `date`, so no clock is needed. */
function retryAfterOf(headers: Readonly<Record<string, string>>): number | undefined {
  const ms = Number(headers["retry-after-ms"] ?? Number.NaN);
  if (ms >= 0 && ms < Infinity) return ms / 1000;
  const value = headers["retry-after"];
  if (value === undefined) return undefined;
  const seconds = Number(value);
  if (value.trim() !== "" && seconds >= 0 && seconds < Infinity) return seconds;
  const until = Date.parse(value) - Date.parse(headers["date"] ?? "");
  return until >= 0 ? until / 1000 : undefined;
}

/** `Please try again in 810ms`: OpenAI servers say it only there. */
function retryAfterIn(message: string): number | undefined {
  const match = /try again in (\d{1,6}(?:\.\d{1,6})?)\s?(ms|s|m)\b/i.exec(message);
  if (match === null) return undefined;
  return Number(match[1]) * { ms: 0.001, s: 1, m: 60 }[match[2]!.toLowerCase() as "ms" | "s" | "m"];
}
