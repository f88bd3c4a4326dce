import { readFileSync } from "node:fs";
import { ERRORS, type ErrorCode, MohoError } from "@moho/protocol";
import { type ErrorFamily, explainUpstreamError, nearest, renderError, responsesFailure } from "@moho/wire";
import { describe, expect, it } from "vitest";

interface Case {
  name: string;
  status: number;
  headers: Record<string, string>;
  body: unknown;
  code: ErrorCode;
  next?: string;
  message?: string;
  without?: string;
  requestId?: string;
  retryAfter?: number;
  details?: Record<string, unknown>;
}

const CASES = JSON.parse(
  readFileSync(new URL("fixtures/upstream-errors.json", import.meta.url), "utf8"),
) as Case[];
const CONTEXT = { endpoint: "Bedrock Mantle", model: "openai.gpt-5.5", region: "us-east-1" };
const explain = (answer: { status: number; headers?: Record<string, string>; body: string }): MohoError =>
  explainUpstreamError({ headers: {}, ...answer, context: CONTEXT });

describe("real messages", () => {
  for (const { name, status, headers, body, ...expected } of CASES) {
    it(name, () => {
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const error = explainUpstreamError({ status, headers, body: Buffer.from(text), context: CONTEXT });
      expect(error.code).toBe(expected.code);
      expect(error.next).toContain(expected.next ?? ERRORS[expected.code].next);
      expect(error.message).toContain(expected.message ?? `Bedrock Mantle answered ${status}`);
      expect(error.requestId).toBe(expected.requestId);
      expect(error.retryAfter).toBe(expected.retryAfter);
      if (expected.details !== undefined) expect(error.details).toMatchObject(expected.details);
      if (expected.without !== undefined) expect(error.message).not.toContain(expected.without);
    });
  }
});

describe("what a server writes", () => {
  it("is carried, on one line, and bounded", () => {
    const { message } = explain({
      status: 400,
      body: JSON.stringify({ message: `a\n\u0007b ${"x".repeat(5000)}` }),
    });
    expect(message).toMatch(/^Bedrock Mantle answered 400 for openai\.gpt-5\.5 in us-east-1: a b x+…$/);
    expect(message.length).toBeLessThan(1200);
  });
  it("is read in bounded time and memory", () => {
    for (const body of [
      "[".repeat(1 << 20),
      `{"message":"${"is not authorized to perform: a on resource: b because no ".repeat(50_000)}"}`,
      "quota ".repeat(200_000),
      "<".repeat(1 << 20),
    ]) {
      expect(explain({ status: 403, body }).code).toBe("access_denied");
    }
  });
  it("cannot smuggle a header", () => {
    const body = JSON.stringify({ request_id: "req\r\nset-cookie: x", error: { message: "m" } });
    expect(explain({ status: 500, body }).requestId).toBeUndefined();
    expect(
      explain({ status: 429, headers: { "retry-after": "1e999" }, body: "" }).retryAfter,
    ).toBeUndefined();
    expect(explain({ status: 429, headers: { "retry-after": "-5" }, body: "" }).retryAfter).toBeUndefined();
  });
});

const FAMILIES: readonly ErrorFamily[] = ["openai", "anthropic", "aws"];
const error = (code: ErrorCode, message = "It failed."): MohoError =>
  new MohoError(code, message, { requestId: "req_1", retryAfter: 1.2, details: { param: "model" } });

describe("every error in every family", () => {
  for (const family of FAMILIES) {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      it(`${family} ${code} comes back as itself`, () => {
        const { status, headers, body } = renderError(error(code), family);
        expect(status).toBeGreaterThanOrEqual(400);
        const again = explainUpstreamError({ status, headers, body, context: CONTEXT });
        expect(again).toMatchObject({
          code,
          message: "It failed.",
          next: ERRORS[code].next,
          requestId: "req_1",
          retryAfter: 2,
        });
      });
      it(`${family} ${code} is retried by SDKs only when it may be`, () => {
        const { status, headers } = renderError(error(code), family);
        if (family !== "aws") expect(headers["x-should-retry"]).toBe(String(ERRORS[code].retryable));
        else if (ERRORS[code].category === "budget") expect(status).toBe(400);
      });
    }
  }
});

describe("the wire forms of Bedrock (aws-wire §1.7, §3.2)", () => {
  const parsed = (code: ErrorCode, family: ErrorFamily) => {
    const { status, headers, body } = renderError(error(code), family);
    return { status, headers, body: JSON.parse(body) as Record<string, unknown> };
  };
  it("OpenAI routes", () => {
    expect(parsed("access_denied", "openai")).toMatchObject({
      status: 403,
      headers: { "x-request-id": "req_1", "x-amzn-requestid": "req_1", "retry-after": "2" },
      body: {
        error: {
          code: "access_denied",
          type: "permission_denied_error",
          param: "model",
          message: /^It failed\. /,
        },
      },
    });
    expect(parsed("invalid_request", "openai")).toMatchObject({
      status: 400,
      body: { error: { code: "validation_error", type: "invalid_request_error" } },
    });
    expect(parsed("expired_credentials", "openai").status).toBe(401);
    expect(parsed("invalid_signature", "openai").status).toBe(401);
    expect(parsed("throttled", "openai")).toMatchObject({
      status: 429,
      body: { error: { code: "rate_limit_exceeded", type: "rate_limit_error" } },
    });
    expect(parsed("overloaded", "openai")).toMatchObject({
      status: 503,
      body: { error: { code: "server_is_overloaded" } },
    });
    expect(parsed("context_overflow", "openai")).toMatchObject({
      status: 400,
      body: { error: { code: "context_length_exceeded" } },
    });
    expect(parsed("budget_exceeded", "openai")).toMatchObject({
      status: 402,
      body: { error: { code: "budget_exceeded" } },
    });
  });
  it("Anthropic routes", () => {
    expect(parsed("access_denied", "anthropic")).toMatchObject({
      status: 403,
      headers: { "request-id": "req_1" },
      body: { type: "error", request_id: "req_1", error: { type: "permission_error" } },
    });
    expect(parsed("unknown_access_key", "anthropic")).toMatchObject({
      status: 401,
      body: { error: { type: "authentication_error" } },
    });
    expect(parsed("overloaded", "anthropic")).toMatchObject({
      status: 529,
      body: { error: { type: "overloaded_error" } },
    });
  });
  it("AWS routes", () => {
    expect(parsed("invalid_signature", "aws")).toMatchObject({
      status: 403,
      headers: { "x-amzn-errortype": "InvalidSignatureException", "x-amzn-requestid": "req_1" },
      body: { Message: /^It failed\. / },
    });
    expect(parsed("expired_credentials", "aws").headers["x-amzn-errortype"]).toBe("ExpiredTokenException");
    expect(parsed("unknown_access_key", "aws").headers["x-amzn-errortype"]).toBe(
      "UnrecognizedClientException",
    );
    expect(parsed("missing_credentials", "aws").headers["x-amzn-errortype"]).toBe(
      "MissingAuthenticationTokenException",
    );
    expect(parsed("access_denied", "aws")).toMatchObject({ status: 403, body: { message: /^It failed/ } });
    expect(parsed("throttled", "aws")).toMatchObject({
      status: 429,
      headers: { "x-amzn-errortype": "ThrottlingException" },
    });
    expect(parsed("invalid_request", "aws")).toMatchObject({
      status: 400,
      headers: { "x-amzn-errortype": "ValidationException" },
    });
  });
  it("has no secret-bearing cause", () => {
    const cause = new Error("secret");
    const { body, headers } = renderError(new MohoError("internal", "It failed.", { cause }), "openai");
    expect(body + JSON.stringify(headers)).not.toContain("secret");
  });
});

it("a failure inside a stream is one that clients retry when it was the upstream's", () => {
  const event = responsesFailure(error("stream_interrupted"), {
    id: "resp_1",
    model: "m",
    createdAt: 1,
    sequence: 7,
  });
  expect(event).toMatchObject({
    type: "response.failed",
    sequence_number: 7,
    response: { id: "resp_1", status: "failed", error: { code: "server_error" } },
  });
});

describe("nearest", () => {
  const models = [
    "openai.gpt-5.5",
    "openai.gpt-5.6-sol",
    "openai.gpt-6-sol",
    "openai.gpt-oss-120b",
    "anthropic.claude-opus-5",
  ];
  it.each([
    ["gpt-5.5", "openai.gpt-5.5"],
    ["openai.gpt-5.5-v1", "openai.gpt-5.5"],
    ["openai.gpt5.5", "openai.gpt-5.5"],
    ["OPENAI.GPT-OSS-120B", "openai.gpt-oss-120b"],
    ["openai.gtp-6-sol", "openai.gpt-6-sol"],
    ["claude-opus-5", "anthropic.claude-opus-5"],
  ])("%s", (word, name) => expect(nearest(word, models)[0]).toBe(name));
  it("gives nothing where nothing is near, and at most what was asked for", () => {
    expect(nearest("zzzzzzzzzzzz", models)).toEqual([]);
    expect(nearest("", models)).toEqual([]);
    expect(nearest("openai.gpt-5.5", models, 1)).toEqual(["openai.gpt-5.5"]);
    expect(nearest("x".repeat(1 << 20), models)).toEqual([]);
  });
});
