/** Signing and verifying against vectors made by others: AWS's own suite, botocore, AWS's token generator, two signers from npm. */

import { readFileSync } from "node:fs";
import { getToken } from "@aws/bedrock-token-generator";
import {
  mintShortTermKey,
  parseShortTermKey,
  presignRequest,
  SigningKeys,
  signRequest,
  verifyShortTermKey,
} from "@moho/aws";
import { SignatureV4 } from "@smithy/signature-v4";
import aws4 from "aws4";
import { describe, expect, it } from "vitest";
import { authorizationOf, received, SECRET, Sha256, sha256, verify } from "./requests.ts";

interface Vector {
  case: string;
  method: string;
  target: string;
  headers: [string, string][];
  body: string;
  sessionToken?: string;
  signedHeaders: string;
  signature: string;
}
const suite = JSON.parse(
  readFileSync(new URL("fixtures/aws-signing-test-suite/vectors.json", import.meta.url), "utf8"),
) as {
  context: {
    accessKeyId: string;
    secretAccessKey: string;
    region: string;
    service: string;
    timestamp: string;
    host: string;
    presignedExpires: number;
  };
  header: Vector[];
  query: Vector[];
  normalizedPath: Vector[];
};
const { context } = suite;
const NOW = Date.parse(context.timestamp);
const AMZ_DATE = "20150830T123600Z";
const scope = `${context.accessKeyId}/20150830/us-east-1/service/aws4_request`;
const options = { now: NOW, services: ["service"], regions: ["us-east-1"] };
const credentialsOf = (vector: Vector) => ({
  accessKeyId: context.accessKeyId,
  secretAccessKey: context.secretAccessKey,
  ...(vector.sessionToken ? { sessionToken: vector.sessionToken } : {}),
});
const joined = (headers: [string, string][]) => {
  const record: Record<string, string> = {};
  for (const [name, value] of headers)
    record[name] = record[name] === undefined ? value : `${record[name]},${value}`;
  return record;
};

describe("AWS's signing test suite, header form", () => {
  const signable = suite.header.filter((v) => !v.headers.some(([name]) => name === "Content-Length"));
  it.each(signable.map((v) => [v.case, v] as const))("%s is signed alike", (_, vector) => {
    const added = signRequest(
      {
        method: vector.method,
        host: context.host,
        target: vector.target,
        headers: joined(vector.headers),
        body: vector.body,
      },
      credentialsOf(vector),
      { service: "service", region: "us-east-1", now: NOW },
    );
    expect(authorizationOf(added).signature).toBe(vector.signature);
  });

  it.each(suite.header.map((v) => [v.case, v] as const))("%s is verified", (_, vector) => {
    const headers: [string, string][] = [["Host", context.host], ...vector.headers, ["X-Amz-Date", AMZ_DATE]];
    if (vector.sessionToken) headers.push(["X-Amz-Security-Token", vector.sessionToken]);
    const names = [...new Set(headers.map(([name]) => name.toLowerCase()))].sort().join(";");
    headers.push([
      "Authorization",
      `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=${names}, Signature=${vector.signature}`,
    ]);
    const request = received(vector.method, vector.target, headers, vector.body);
    expect(verify(request, options)).toEqual({ ok: true });
  });

  it.each(suite.normalizedPath.map((v) => [v.case, v] as const))(
    "%s is refused: what is signed is not what is routed",
    (_, vector) => {
      const request = received("GET", vector.target, [
        ["Host", context.host],
        ["X-Amz-Date", AMZ_DATE],
        [
          "Authorization",
          `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host;x-amz-date, Signature=${vector.signature}`,
        ],
      ]);
      expect(verify(request, options)).toMatchObject({ ok: false, awsName: "InvalidSignatureException" });
    },
  );
});

describe("AWS's signing test suite, query form", () => {
  it.each(suite.query.map((v) => [v.case, v] as const))("%s", (_, vector) => {
    const query = new URLSearchParams({
      "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
      "X-Amz-Credential": scope,
      "X-Amz-Date": AMZ_DATE,
      "X-Amz-SignedHeaders": vector.signedHeaders,
      "X-Amz-Expires": String(context.presignedExpires),
      ...(vector.sessionToken ? { "X-Amz-Security-Token": vector.sessionToken } : {}),
      "X-Amz-Signature": vector.signature,
    });
    const target = `${vector.target}${vector.target.includes("?") ? "&" : "?"}${query}`;
    const request = received(vector.method, target, [["Host", context.host], ...vector.headers]);
    expect(verify(request, options)).toEqual({ ok: true });

    if (vector.signedHeaders === "host") {
      const ours = presignRequest(
        { method: vector.method, host: context.host, target: vector.target, body: "" },
        credentialsOf(vector),
        { service: "service", region: "us-east-1", now: NOW, expiresIn: context.presignedExpires },
      );
      expect(new URLSearchParams(ours.split("?")[1]).get("X-Amz-Signature")).toBe(vector.signature);
    }
  });
});

describe("other signers", () => {
  const now = Date.parse("2026-01-02T03:04:05Z");
  const path = "/model/openai.gpt-oss-120b-1%3A0/converse";
  const body = '{"messages": [{"role": "user", "content": [{"text": "hi"}]}]}';
  const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: SECRET };
  const host = "bedrock-runtime.us-east-1.amazonaws.com";
  const ours = (headers: Record<string, string>, target = path, text = body) =>
    signRequest({ method: "POST", host, target, headers, body: text }, credentials, {
      service: "bedrock",
      region: "us-east-1",
      now,
      keys: new SigningKeys(),
    });

  it("botocore: a Converse call with an escaped colon in its path", () => {
    const added = ours({ "Content-Type": "application/json", "User-Agent": "Boto3/1.43" });
    expect(authorizationOf(added)).toEqual({
      signedHeaders: "content-type;host;x-amz-date",
      signature: "8ef17de2c5ff83076443cb20364d684dbe1e5472b1f97c5a999d2aaedce1a231",
    });
  });

  it.each([
    ["plain", "/v1/responses", ""],
    ["escaped path", path, ""],
    ["raw colon", "/model/us.anthropic.claude-3:0/invoke", ""],
    ["array parameter", "/v1/responses/resp_1", "include[]=a%20b&include[]=a%2Bc&limit=&z"],
    ["unicode", "/v1/caf%C3%A9", "q=%E1%88%B4"],
  ])("@smithy/signature-v4 and aws4 agree with us: %s", async (_, pathname, search) => {
    const headers = { "content-type": "application/json", "x-custom": "  a   b ", host };
    const signer = new SignatureV4({ credentials, service: "bedrock", region: "us-east-1", sha256: Sha256 });
    const query: Record<string, string[]> = {};
    for (const [name, value] of new URLSearchParams(search)) {
      query[name] ??= [];
      query[name].push(value);
    }
    const theirs = await signer.sign(
      { method: "POST", protocol: "https:", hostname: host, path: pathname, query, headers, body },
      { signingDate: new Date(now) },
    );
    const target = search ? `${pathname}?${search}` : pathname;
    const added = signRequest(
      {
        method: "POST",
        host,
        target,
        headers: { "content-type": "application/json", "x-custom": "  a   b " },
        body,
      },
      credentials,
      { service: "bedrock", region: "us-east-1", now, contentSha256: true },
    );
    expect(added["authorization"]).toBe(theirs.headers["authorization"]);

    expect(
      verify(received("POST", target, Object.entries(theirs.headers), body), {
        now,
        services: ["bedrock"],
        regions: ["us-east-1"],
      }),
    ).toEqual({ ok: true });

    // aws4 keeps only the first value of a parameter that is given twice.
    const single = target.replace("&include[]=a%2Bc", "");
    const { Authorization: authorization } = aws4.sign(
      {
        service: "bedrock",
        region: "us-east-1",
        method: "POST",
        path: single,
        body,
        headers: { ...headers, "X-Amz-Date": "20260102T030405Z" },
        extraHeadersToIgnore: { "content-length": true },
      },
      credentials,
    ).headers;
    const sent: [string, string][] = [
      ...Object.entries(headers),
      ["X-Amz-Date", "20260102T030405Z"],
      ["Authorization", authorization!],
    ];
    expect(verify(received("POST", single, sent, body), { now, services: ["bedrock"], regions: [] })).toEqual(
      { ok: true },
    );
  });

  it("takes what the AWS SDK for JavaScript signs over HTTP/2: `:authority` in place of `host`", () => {
    const added = ours({});
    const text = added["authorization"]!;
    expect(text).toContain("SignedHeaders=host;x-amz-date");
    const canonical = `POST\n/model/openai.gpt-oss-120b-1%253A0/converse\n\n:authority:${host}\nx-amz-date:20260102T030405Z\n\n:authority;x-amz-date\n${sha256(body)}`;
    const signature = Sha256.sign(canonical, "20260102T030405Z", "20260102/us-east-1/bedrock");
    const request = received(
      "POST",
      path,
      [
        [":method", "POST"],
        [":authority", host],
        ["x-amz-date", "20260102T030405Z"],
        [
          "authorization",
          `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/bedrock/aws4_request, SignedHeaders=:authority;x-amz-date, Signature=${signature}`,
        ],
      ],
      body,
    );
    expect(verify(request, { now, services: ["bedrock"], regions: [] })).toEqual({ ok: true });
  });

  it("AWS's token generator makes the same key text, and its keys verify", async () => {
    const generated = await getToken({ credentials, region: "us-west-2", expiresInSeconds: 600 });
    const key = parseShortTermKey(generated)!;
    expect(key).toMatchObject({ accessKeyId: "AKIDEXAMPLE", region: "us-west-2" });
    const keys = new SigningKeys();
    expect(verifyShortTermKey(key, SECRET, { now: Date.now(), regions: [], keys })).toEqual({ ok: true });
    expect(
      mintShortTermKey(credentials, { region: "us-west-2", now: key.claim.signedAt, seconds: 600 }).key,
    ).toBe(generated);
  });
});
