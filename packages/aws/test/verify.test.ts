/** The verifier against attackers and honest mistakes: every refusal has AWS's words, and nothing that was signed may change. */

import {
  presignRequest,
  type RawRequest,
  readSignature,
  SigningKeys,
  signRequest,
  verifySignature,
} from "@moho/aws";
import { describe, expect, it } from "vitest";
import { received, SECRET, sha256, verify } from "./requests.ts";

const NOW = Date.parse("2026-01-02T03:04:05Z");
const HOST = "127.0.0.1:8994";
const BODY = '{"model":"openai.gpt-oss-20b","input":"hi"}';
const TARGET = "/openai/v1/responses?include[]=a&x=1";
const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: SECRET };
const options = { now: NOW, services: ["bedrock-mantle", "bedrock"], regions: ["us-east-1"] };
const SIGNED = {
  accept: "text/event-stream",
  "content-type": "application/json",
  "x-codex-window-id": "w-1",
  "session-id": "s 1",
};

function signed(change: { now?: number; service?: string; region?: string; sessionToken?: string } = {}) {
  const added = signRequest(
    { method: "POST", host: HOST, target: TARGET, headers: SIGNED, body: BODY },
    { ...credentials, ...(change.sessionToken ? { sessionToken: change.sessionToken } : {}) },
    {
      service: change.service ?? "bedrock-mantle",
      region: change.region ?? "us-east-1",
      now: change.now ?? NOW,
      contentSha256: true,
    },
  );
  const headers: [string, string][] = Object.entries({ Host: HOST, ...SIGNED, ...added });
  headers.push(["User-Agent", "codex"], ["Content-Length", String(BODY.length)], ["x-amzn-trace-id", "t"]);
  return { headers, request: received("POST", TARGET, headers, BODY) };
}

const withHeader = (request: RawRequest, name: string, change: (value: string) => string): RawRequest => ({
  ...request,
  rawHeaders: request.rawHeaders.map((text, i, all) =>
    i % 2 === 1 && all[i - 1]!.toLowerCase() === name ? change(text) : text,
  ),
});
const withoutHeader = (request: RawRequest, name: string): RawRequest => ({
  ...request,
  rawHeaders: request.rawHeaders.filter((_, i, all) => all[i - (i % 2)]!.toLowerCase() !== name),
});
const flip = (text: string, at: number) =>
  text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);

describe("tampering", () => {
  it("an untouched request is accepted, with headers that travel unsigned", () => {
    expect(verify(signed().request, options)).toEqual({ ok: true });
    expect(verify(signed({ sessionToken: "tok/en+==" }).request, options)).toEqual({ ok: true });
  });

  it("every byte of method, target and body hash", () => {
    const { request } = signed();
    const changed: RawRequest[] = [
      ...[...request.method].map((_, i) => ({ ...request, method: flip(request.method, i) })),
      ...[...request.rawTarget].map((_, i) => ({ ...request, rawTarget: flip(request.rawTarget, i) })),
      ...[...BODY].map((_, i) => ({ ...request, bodySha256: sha256(flip(BODY, i)) })),
      { ...request, rawTarget: `${TARGET}&y=2` },
      { ...request, rawTarget: TARGET.replace("/v1/", "/v1//") },
      { ...request, rawTarget: TARGET.replace("/v1/", "/v1/./") },
      { ...request, rawTarget: TARGET.replace("/v1/", "/v2/../v1/") },
      { ...request, rawTarget: TARGET.replace("responses", "%72esponses") },
      { ...request, rawTarget: "/openai/v1/responses" },
    ];
    for (const one of changed) expect(verify(one, options), JSON.stringify(one)).toMatchObject({ ok: false });
  });

  it("every byte of every signed header, of the signature, and removing or repeating one", () => {
    const { request, headers } = signed({ sessionToken: "tok/en+==" });
    const unsigned = new Set(["user-agent", "content-length", "x-amzn-trace-id"]);
    for (const [name, value] of headers) {
      const lower = name.toLowerCase();
      if (unsigned.has(lower)) continue;
      for (let i = 0; i < value.length; i++) {
        const tampered = withHeader(request, lower, (text) => flip(text, i));
        expect(verify(tampered, options), `${name}[${i}]`).not.toEqual({ ok: true });
      }
      expect(verify(withoutHeader(request, lower), options), `no ${name}`).not.toEqual({ ok: true });
      const twice = { ...request, rawHeaders: [...request.rawHeaders, name, value] };
      expect(verify(twice, options), `${name} twice`).not.toEqual({ ok: true });
    }
  });

  it("a wide character is never folded onto the byte that was signed", () => {
    const { request } = signed();
    const wide = (text: string) => text.replace("w", String.fromCharCode("w".charCodeAt(0) + 0x100));
    expect(verify(withHeader(request, "x-codex-window-id", wide), options)).toMatchObject({ ok: false });
    expect(
      verify({ ...request, rawTarget: request.rawTarget.replace("x", "\u0178") }, options),
    ).toMatchObject({
      ok: false,
    });
  });

  it("an x-amz- header smuggled in unsigned, in any case", () => {
    const { request } = signed();
    const smuggled = { ...request, rawHeaders: [...request.rawHeaders, "X-Amz-Target", "Evil"] };
    expect(verify(smuggled, options)).toMatchObject({
      ok: false,
      message: "There were headers present in the request which were not signed: x-amz-target",
    });
  });

  it("a body hash that is honest about another body, or about none", () => {
    for (const value of ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", sha256("other")]) {
      const { request } = signed();
      const lied = withHeader(request, "x-amz-content-sha256", () => value);
      expect(verify(lied, options)).toMatchObject({
        message: "The provided 'x-amz-content-sha256' header does not match what was computed.",
      });
    }
  });

  it("the presigned form: another expiry, another date, a second signature in a header", () => {
    const target = presignRequest(
      { method: "GET", host: HOST, target: "/v1/models?a=b", body: "" },
      credentials,
      {
        service: "bedrock",
        region: "us-east-1",
        now: NOW,
        expiresIn: 60,
      },
    );
    const request = received("GET", target, [["host", HOST]]);
    expect(verify(request, options)).toEqual({ ok: true });
    expect(verify(request, { ...options, now: NOW + 59_999 })).toEqual({ ok: true });
    expect(verify(request, { ...options, now: NOW + 60_000 })).toMatchObject({ code: "expired_credentials" });
    expect(verify(request, { ...options, now: NOW - 300_001 })).toMatchObject({ code: "clock_skew" });
    const longer = { ...request, rawTarget: target.replace("Expires=60", "Expires=61") };
    expect(verify(longer, options)).toMatchObject({ code: "invalid_signature" });
    for (const bad of ["0", "604801", "1e3", "-1", "60.5", "NaN", ""]) {
      const one = { ...request, rawTarget: target.replace("Expires=60", `Expires=${bad}`) };
      expect(verify(one, options), bad).toMatchObject({ awsName: "IncompleteSignatureException" });
    }
    const doubled = { ...request, rawTarget: `${target}&X-Amz-Expires=604800` };
    expect(verify(doubled, options)).toMatchObject({ awsName: "IncompleteSignatureException" });
    const both = { ...request, rawHeaders: [...request.rawHeaders, ...signed().request.rawHeaders.slice(2)] };
    expect(verify(both, options)).toMatchObject({ awsName: "IncompleteSignatureException" });
  });
});

describe("AWS's sentences", () => {
  const edit = (change: (authorization: string) => string) =>
    verify(withHeader(signed().request, "authorization", change), options);

  it("no signature at all", () => {
    expect(readSignature(received("GET", "/", [["host", HOST]]))).toBeUndefined();
    expect(readSignature(received("GET", "/", [["authorization", "Bearer abc"]]))).toBeUndefined();
  });

  it.each([
    ["Credential", /^Authorization header requires 'Credential' parameter\. \(Hashed with SHA-256/],
    ["SignedHeaders", /^Authorization header requires 'SignedHeaders' parameter\./],
    [
      "Signature",
      /^Authorization header requires 'Signature' parameter\..*Authorization=[A-Za-z0-9+/]{43}=$/,
    ],
  ])("without %s", (name, message) => {
    const answer = edit((text) => text.replace(`${name}=`, `X${name}=`));
    expect(answer).toMatchObject({
      ok: false,
      code: "invalid_signature",
      awsName: "IncompleteSignatureException",
    });
    expect((answer as { message: string }).message).toMatch(message);
  });

  it.each([
    ["a missing date", "x-amz-date", /requires existence of either a 'X-Amz-Date'/],
    ["another algorithm", "AWS4-HMAC-SHA512", /Unsupported AWS 'algorithm'/],
    ["four scope elements", "/aws4_request", /exactly 5 slash-delimited elements/],
  ])("%s", (_, what, message) => {
    const answer =
      what === "x-amz-date"
        ? verify(withoutHeader(signed().request, what), options)
        : edit((text) =>
            text.replace(
              what.startsWith("AWS4") ? "AWS4-HMAC-SHA256" : what,
              what.startsWith("AWS4") ? what : "",
            ),
          );
    expect(answer).toMatchObject({ awsName: "IncompleteSignatureException" });
    expect((answer as { message: string }).message).toMatch(message);
  });

  it("scope: date, region, service, terminator", () => {
    const message = (answer: unknown) => (answer as { message: string }).message;
    expect(message(edit((text) => text.replace("/20260102/", "/20260101/")))).toBe(
      "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20260101' != '20260102', from '20260102T030405Z'.",
    );
    expect(message(verify(signed({ region: "eu-west-1" }).request, options))).toBe(
      "Credential should be scoped to a valid region, not 'eu-west-1': this endpoint serves 'us-east-1'.",
    );
    expect(verify(signed({ region: "eu-west-1" }).request, { ...options, regions: [] })).toEqual({
      ok: true,
    });
    expect(message(verify(signed({ service: "s3" }).request, { ...options, services: ["bedrock"] }))).toBe(
      "Credential should be scoped to correct service: 'bedrock'.",
    );
    expect(message(edit((text) => text.replace("aws4_request", "aws5_request")))).toBe(
      "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'.",
    );
  });

  it("the clock, five minutes each way to the millisecond", () => {
    const at = (offset: number) => verify(signed().request, { ...options, now: NOW + offset });
    expect(at(300_000)).toEqual({ ok: true });
    expect(at(-300_000)).toEqual({ ok: true });
    expect(at(300_001)).toEqual({
      ok: false,
      code: "clock_skew",
      awsName: "InvalidSignatureException",
      message:
        "Signature expired: 20260102T030405Z is now earlier than 20260102T030405Z (20260102T030905Z - 5 min.)",
    });
    expect(at(-1_200_000)).toEqual({
      ok: false,
      code: "clock_skew",
      awsName: "InvalidSignatureException",
      message:
        "Signature not yet current: 20260102T030405Z is still later than 20260102T024905Z (20260102T024405Z + 5 min.)",
    });
  });

  it("a wrong secret, and a failure names no key material", () => {
    const answer = verify(signed().request, options, `${SECRET}x`);
    expect(answer).toMatchObject({ code: "invalid_signature", awsName: "InvalidSignatureException" });
    expect(JSON.stringify(answer)).not.toContain(SECRET.slice(0, 8));
    expect((answer as { message: string }).message).toMatch(
      /^The request signature we calculated does not match the signature you provided/,
    );
  });

  it("an unsigned host", () => {
    expect(edit((text) => text.replace(";host;", ";"))).toMatchObject({
      message: "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    });
  });
});

describe("hosts", () => {
  it("a proxy that rewrites `host` is tolerated only for configured hosts", () => {
    const { request } = signed();
    const rewritten = withHeader(request, "host", () => "gateway.internal:80");
    expect(verify(rewritten, options)).toMatchObject({ ok: false });
    expect(verify(rewritten, { ...options, hosts: ["other", HOST] })).toEqual({ ok: true });
    expect(verify(rewritten, { ...options, hosts: ["other"] })).toMatchObject({ ok: false });
  });

  it("`host` and `:authority` stand for each other but may not differ", () => {
    const { request } = signed();
    const h2 = {
      ...request,
      rawHeaders: request.rawHeaders.map((text) => (text === "Host" ? ":authority" : text)),
    };
    expect(verify(h2, options)).toEqual({ ok: true });
    const differing = { ...request, rawHeaders: [...request.rawHeaders, ":authority", "evil.example"] };
    expect(verify(differing, options)).toMatchObject({ ok: false });
  });
});

describe("hostile input never throws", () => {
  it.each([
    "AWS4-HMAC-SHA256",
    "AWS4-HMAC-SHA256 ",
    "AWS4-HMAC-SHA256 ,,,,=,==",
    "AWS4-HMAC-SHA256 Credential=////, SignedHeaders=;;;, Signature=",
    "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=__proto__;host, Signature=__proto__",
    `AWS4-HMAC-SHA256 Credential=${"a/".repeat(9000)}, SignedHeaders=${"a;".repeat(9000)}, Signature=x`,
    `AWS4-HMAC-SHA256 ${"Credential=a,".repeat(5000)}`,
  ])("%#", (authorization) => {
    const request = received("GET", "/%zz%?%=%&&==&%E1", [
      ["host", HOST],
      ["x-amz-date", "99999999T999999Z"],
      ["authorization", authorization],
    ]);
    expect(verify(request, options)).toMatchObject({ ok: false });
  });

  it("what strangers claim is never kept, and a region must look like one", () => {
    const keys = new SigningKeys();
    const attempt = (region: string, secretAccessKey: string, regions: readonly string[] = []) => {
      const headers = signRequest(
        { method: "POST", host: HOST, target: "/", headers: {}, body: "" },
        { accessKeyId: "AKIDEXAMPLE", secretAccessKey },
        { service: "bedrock", region, now: NOW },
      );
      const request = received("POST", "/", [["host", HOST], ...Object.entries(headers)]);
      const claim = readSignature(request);
      if (!claim?.ok) throw new Error("no claim");
      return verifySignature(request, claim, SECRET, { now: NOW, services: ["bedrock"], regions, keys });
    };
    for (let i = 0; i < 50; i++) expect(attempt(`us-east-${i}`, "guess").ok).toBe(false);
    expect(keys.size).toBe(0);
    for (const region of ["x".repeat(4_000), "us-east-1;", "US-EAST-1", "us-east-", "a".repeat(30)]) {
      expect(attempt(region, SECRET)).toMatchObject({ message: expect.stringContaining("valid region") });
    }
    for (const region of [
      "us-east-1",
      "us-gov-west-1",
      "eu-isoe-west-1",
      "ap-southeast-7",
      "eusc-de-east-1",
    ]) {
      expect(attempt(region, SECRET)).toEqual({ ok: true });
    }
    expect(attempt("home", SECRET, ["home"])).toEqual({ ok: true });
    expect(keys.size).toBe(6);
  });

  it("a header that binds must be signed where it is sent", () => {
    const sent = (name: string, signs: boolean) => {
      const own = signs ? { [name]: "proj_1" } : {};
      const headers = signRequest(
        { method: "POST", host: HOST, target: "/", headers: own, body: "" },
        { accessKeyId: "AKIDEXAMPLE", secretAccessKey: SECRET },
        { service: "bedrock", region: "us-east-1", now: NOW },
      );
      const request = received("POST", "/", [
        ["host", HOST],
        ["OpenAI-Project", "proj_1"],
        ...Object.entries(headers),
      ]);
      return verify(request, { now: NOW, services: ["bedrock"], regions: [], binding: ["openai-project"] });
    };
    expect(sent("openai-project", true)).toEqual({ ok: true });
    expect(sent("openai-project", false)).toMatchObject({
      code: "invalid_signature",
      message:
        "The header 'openai-project' changes what the request may do, so it must be a 'SignedHeader': sign it or leave it out.",
    });
  });

  it("derived keys are bounded, and follow a changed secret", () => {
    const keys = new SigningKeys(2);
    const scope = { date: "20260102", region: "us-east-1", service: "bedrock" };
    const first = keys.get("A", "one", scope);
    expect(keys.get("A", "one", scope)).toBe(first);
    expect(keys.get("A", "two", scope).equals(first)).toBe(false);
    keys.get("B", "one", scope);
    keys.get("C", "one", scope);
    expect(keys.get("A", "one", scope)).not.toBe(first);
    expect(keys.get("A", "one", scope).equals(first)).toBe(true);
  });
});
