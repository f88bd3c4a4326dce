/** Every bad input gets one clear error in the caller's dialect, is recorded, and costs nothing. */

import { mintShortTermKey } from "@moho/aws";
import { REFUSALS, refusingUrl } from "@moho/testkit";
import OpenAI from "openai";
import { afterEach, describe, expect, test } from "vitest";
import {
  API_KEY,
  errorOf,
  KEYS,
  MODEL,
  post,
  REGION,
  request,
  signed,
  startWorld,
  type World,
  type WorldOptions,
} from "./world.ts";

let world: World;
const start = async (options?: WorldOptions) => {
  world = await startWorld(options);
};
afterEach(() => world.close());

const send = (headers: Record<string, string>, body = request()) =>
  fetch(`${world.base}/openai/v1/responses`, { method: "POST", headers, body });

describe("who is calling", () => {
  test.each<[string, (world: World) => Record<string, string>, string, RegExp]>([
    ["no credentials", () => ({}), "missing_credentials", /Missing Authentication Token/],
    [
      "a wrong API key",
      () => ({ authorization: "Bearer ABSKwrong" }),
      "invalid_api_key",
      /Invalid bearer token/,
    ],
    [
      "a bad signature",
      (world) => signed(world, request(), { keys: { ...KEYS, secretAccessKey: "wrong" } }),
      "invalid_signature",
      /request signature we calculated does not match/,
    ],
    [
      "a skewed clock",
      (world) => signed(world, request(), { now: Date.now() - 600_000 }),
      "clock_skew",
      /Signature expired: \S+ is now earlier than/,
    ],
    [
      "an unknown access key",
      (world) => signed(world, request(), { keys: { ...KEYS, accessKeyId: "AKIANOBODY" } }),
      "unknown_access_key",
      /security token included in the request is invalid/,
    ],
    [
      "a signature for another service",
      (world) => signed(world, request(), { service: "s3" }),
      "invalid_signature",
      /scoped to correct service/,
    ],
    [
      "an expired short-term key",
      () => ({
        authorization: `Bearer ${mintShortTermKey(KEYS, { region: REGION, seconds: 60, now: Date.now() - 120_000 }).key}`,
      }),
      "expired_credentials",
      /expired/i,
    ],
  ])("%s", async (_, headers, code, message) => {
    await start();
    const response = await send(headers(world));
    expect(response.headers.get("x-moho-error")).toBe(code);
    expect(response.headers.get("x-request-id")).toMatch(/^req_/);
    expect(Math.abs(Date.parse(response.headers.get("date")!) - Date.now())).toBeLessThan(5_000);
    const error = await errorOf(response);
    expect(error).toMatchObject({
      status: 401,
      code: "invalid_api_key",
      message: expect.stringMatching(message),
    });
    const [record] = await world.records(1);
    expect(record).toMatchObject({ errorCode: code, userIdentity: { type: "Unknown" } });
    expect(record.additionalEventData.costNanoUsd).toBeUndefined();
    expect(world.model.requests).toEqual([]);
  });

  test("no secret of a caller is repeated in an answer, a record or the operator's log", async () => {
    await start();
    const secret = "ABSK-canary-of-a-wrong-key";
    const answers = [
      await (await send({ authorization: `Bearer ${secret}` })).text(),
      await (await send({ "x-api-key": secret })).text(),
      await (
        await send(signed(world, request(), { keys: { accessKeyId: "AKIAX", secretAccessKey: secret } }))
      ).text(),
    ];
    const everything = JSON.stringify([answers, await world.records(3), world.logged]);
    expect(everything).not.toContain("canary");
  });

  test("a short-term key works, and its kind is recorded", async () => {
    await start();
    const { key } = mintShortTermKey(KEYS, { region: REGION, seconds: 900, now: Date.now() });
    expect((await send({ authorization: `Bearer ${key}` })).status).toBe(200);
    const [record] = await world.records(1);
    expect(record.additionalEventData.bearerTokenType).toBe("SHORT_TERM");
  });
});

describe("may they", () => {
  const only = (statement: object) => ({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", ...statement }],
  });

  test("a denial names action, resource and the policy to add", async () => {
    await start({ policy: only({ Action: "bedrock-mantle:ListModels", Resource: "*" }) });
    const response = await send(signed(world, request()));
    const { message, ...error } = await errorOf(response);
    expect(error).toEqual({ status: 403, code: "access_denied" });
    expect(message).toContain(
      "User: arn:aws:iam::111122223333:user/dev is not authorized to perform: bedrock-mantle:CreateInference on resource: " +
        "arn:aws:bedrock-mantle:us-east-1:111122223333:project/default because no identity-based policy allows",
    );
    expect(message).toContain(
      '{"Effect":"Allow","Action":"bedrock-mantle:CreateInference","Resource":"arn:aws:bedrock-mantle:us-east-1:111122223333:project/default",' +
        '"Condition":{"StringEquals":{"bedrock-mantle:Model":"',
    );
    const [record] = await world.records(1);
    expect(record).toMatchObject({
      errorCode: "AccessDenied",
      userIdentity: { arn: "arn:aws:iam::111122223333:user/dev" },
      additionalEventData: { decision: { effect: "deny", reason: "implicit-deny" } },
    });
    expect(await world.store.ledger.spent("organization", 0)).toMatchObject({ amount: 0, calls: 0 });
  });

  test("the policy that a denial shows is enough", async () => {
    await start({ policy: only({ Action: "bedrock-mantle:ListModels", Resource: "*" }) });
    expect((await post(world, request())).status).toBe(403);
    const [record] = await world.records(1);
    await world.access.administration.putPolicy("dev", record.additionalEventData.decision.minimalPolicy);
    expect((await post(world, request())).status).toBe(200);
  });

  test.each<[string, object, boolean]>([
    ["model", { StringLike: { "bedrock-mantle:Model": "openai.gpt-5*" } }, true],
    ["other model", { StringLike: { "bedrock-mantle:Model": "openai.gpt-6*" } }, false],
    ["address", { IpAddress: { "aws:SourceIp": "127.0.0.0/8" } }, true],
    ["other address", { IpAddress: { "aws:SourceIp": "10.0.0.0/8" } }, false],
    ["region", { StringEquals: { "aws:RequestedRegion": REGION } }, true],
    ["cleartext", { Bool: { "aws:SecureTransport": "true" } }, false],
    ["tag", { StringEquals: { "aws:PrincipalTag/team": "core" } }, true],
    ["user agent", { StringLike: { "aws:UserAgent": "codex*" } }, true],
    ["tier", { StringEquals: { "bedrock-mantle:ServiceTier": "flex" } }, true],
  ])("conditions see the call: %s", async (_, condition, allowed) => {
    await start({ policy: only({ Action: "*", Resource: "*", Condition: condition }) });
    const body = request({ service_tier: "flex" });
    const response = await send({ ...signed(world, body), "user-agent": "codex/1" }, body);
    expect(response.status).toBe(allowed ? 200 : 403);
  });
});

describe("what is asked", () => {
  test.each<[string, string, RegExp]>([
    ["not JSON", "{", /not a JSON object/],
    ["empty", "", /not a JSON object/],
    ["an array", "[]", /not a JSON object/],
    ["no model", `{"input":"x"}`, /`model` is missing/],
    ["an empty model", request({ model: "" }), /`model` is missing/],
    ["a model that is no text", request({ model: 1 }), /`model` must be a string/],
    ["two models", `{"model":"${MODEL}","model":"openai.gpt-6-astra"}`, /comes twice/],
    ["a second model, escaped", `{"model":"${MODEL}","mod\\u0065l":"openai.gpt-6-astra"}`, /comes twice/],
    ["a model under another case", `{"model":"${MODEL}","Model":"openai.gpt-6-astra"}`, /spelled/],
    ["a negative cap", request({ max_output_tokens: -5 }), /max_output_tokens/],
    ["a cap in scientific notation", `{"model":"${MODEL}","max_output_tokens":1e1}`, /plain digits/],
    ["two objects", `${request()}${request()}`, /nothing may follow/],
    ["background", request({ background: true }), /`background` is not served here yet/],
    ["a model as long as a book", request({ model: "m".repeat(3_000) }), /longer than/],
  ])("%s", async (_, body, message) => {
    await start();
    expect(await errorOf(await post(world, body))).toMatchObject({
      status: 400,
      code: "validation_error",
      message: expect.stringMatching(message),
    });
    expect((await world.records(1))[0].errorCode).toBe("invalid_request");
    expect(world.model.requests).toEqual([]);
  });

  test("an unknown model names the nearest", async () => {
    await start({
      settings: {
        routes: [
          { model: "openai.gpt-5.5", upstream: "main" },
          { model: "local-*", upstream: "main" },
        ],
      },
    });
    const error = await errorOf(await post(world, request({ model: "gpt-5.5" })));
    expect(error).toMatchObject({
      status: 404,
      message: expect.stringContaining("Nearest: openai.gpt-5.5."),
    });
    expect((await world.records(1))[0].errorCode).toBe("unknown_model");
  });

  test("a model without a price is refused, a free one is not", async () => {
    await start({ facts: () => undefined });
    expect(await errorOf(await post(world, request()))).toMatchObject({
      status: 400,
      code: "model_not_priced",
    });
    await world.close();
    await start({ facts: () => undefined, settings: { freeModels: ["openai.*"] } });
    expect((await post(world, request())).status).toBe(200);
    const [record] = await world.records(1);
    expect(record.additionalEventData).toMatchObject({
      costNanoUsd: 0,
      quality: "final",
      usage: { output: 20 },
    });
  });

  test("a tier that costs more than the table says is refused", async () => {
    await start();
    const error = await errorOf(await post(world, request({ service_tier: "priority" })));
    expect(error).toMatchObject({ status: 400, code: "model_not_priced" });
  });
});

describe("the upstream", () => {
  test("is down", async () => {
    await start({ upstreamUrl: `${await refusingUrl()}/v1` });
    const response = await post(world, request());
    expect(response.headers.get("x-moho-error")).toBe("upstream_unreachable");
    expect(await errorOf(response)).toMatchObject({ status: 502, code: "upstream_error" });
    const [record] = await world.records(1);
    expect(record).toMatchObject({
      errorCode: "upstream_unreachable",
      additionalEventData: { costNanoUsd: 0, quality: "final" },
    });
  });

  test.each([REFUSALS.badKey, REFUSALS.expired, REFUSALS.denied])(
    "refuses the gateway's own credentials: not the caller's fault (%#)",
    async (http) => {
      await start({ script: () => ({ http }) });
      const response = await post(world, request());
      expect(response.headers.get("x-moho-error")).toBe("upstream_auth");
      expect(response.headers.get("x-should-retry")).toBe("false");
      const error = await errorOf(response);
      expect(error.status).toBe(502);
      expect(error.message).not.toContain("user/dev is not authorized");
      expect((await world.records(1))[0].errorCode).toBe("upstream_auth");
    },
  );

  test.each([
    [{ status: 502, headers: { "content-type": "text/html" }, body: "<html>nginx</html>" }, 502],
    [{ status: 307, headers: { location: "http://169.254.169.254/" } }, 400],
    [{ status: 500, body: "" }, 502],
  ])("answers something else than its dialect (%#)", async (http, status) => {
    await start({ script: () => ({ http }) });
    const response = await post(world, request());
    expect(response.headers.get("location")).toBeNull();
    expect((await errorOf(response)).status).toBe(status);
    expect((await world.records(1))[0].additionalEventData.costNanoUsd).toBe(0);
  });

  test("compresses its answer though it was asked not to: not passed on, paid by estimate", async () => {
    const headers = { "content-type": "text/event-stream", "content-encoding": "gzip" };
    await start({ script: () => ({ http: { status: 200, headers, body: "\x1f\x8b" } }) });
    expect((await errorOf(await post(world, request({ stream: true })))).status).toBe(502);
    expect(world.model.requests[0]!.headers["accept-encoding"] ?? "identity").toBe("identity");
    const [record] = await world.records(1);
    expect(record.additionalEventData.quality).toBe("estimated");
    expect(record.additionalEventData.costNanoUsd).toBeGreaterThan(0);
  });

  test.each([
    ["", 0],
    [`,"usage":{"input_tokens":10,"output_tokens":0}`, 10_000],
  ])(
    "fails in its stream before any output: passed on, recorded, paid as reported (%#)",
    async (usage, cost) => {
      const body =
        `event: response.created\ndata: {"type":"response.created","response":{"id":"r"}}\n\n` +
        `event: response.failed\ndata: {"type":"response.failed","response":{"id":"r","status":"failed","error":{"code":"server_error","message":"No."}${usage}}}\n\n`;
      const headers = { "content-type": "text/event-stream" };
      await start({ script: () => ({ http: { status: 200, headers, body } }) });
      expect(await (await post(world, request({ stream: true }))).text()).toBe(body);
      expect((await world.records(1))[0]).toMatchObject({
        errorCode: "upstream_error",
        errorMessage: "The upstream reported a failure (server_error).",
        additionalEventData: { costNanoUsd: cost, quality: "final" },
      });
    },
  );
});

test("the OpenAI SDK stops at once over budget, and tries again where that can help", async () => {
  await start({ script: [{ http: REFUSALS.overloaded }, {}] });
  await world.store.ledger.putBudget({
    scope: "project/default",
    limit: 1,
    period: "daily",
    owner: "finance@example.com",
  });
  const client = new OpenAI({ baseURL: `${world.base}/v1`, apiKey: API_KEY, maxRetries: 2 });
  await expect(client.responses.create({ model: MODEL, input: "x" })).rejects.toMatchObject({
    status: 402,
    code: "budget_exceeded",
    message: expect.stringMatching(/has \$0\.0000? ?left|\$0\.00 left.*resets at .*finance@example\.com/),
  });
  await world.records(1);
  expect((await world.records(1)).length).toBe(1);
  await world.store.ledger.removeBudget("project/default");
  expect((await client.responses.create({ model: MODEL, input: "x" })).status).toBe("completed");
  expect((await world.records(3)).length).toBe(3);
});
