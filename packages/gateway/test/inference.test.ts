/** The main path: unmodified clients, both credential kinds, both protocols; bytes untouched; settled and recorded. */

import { createHash, createHmac } from "node:crypto";
import { connect } from "node:http2";
import { says } from "@moho/testkit";
import { SignatureV4 } from "@smithy/signature-v4";
import aws4 from "aws4";
import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ROUTES } from "../src/routes.ts";
import {
  ACCOUNT,
  API_KEY,
  errorOf,
  KEYS,
  MODEL,
  post,
  REGION,
  request,
  signed,
  startWorld,
  USAGE,
  type World,
} from "./world.ts";

const PROJECT = `arn:aws:bedrock-mantle:${REGION}:${ACCOUNT}:project/default`;
/** 100 input, 40 cached, 20 + 5 output tokens at the world's prices. */
const COST = 100 * 1_000 + 40 * 100 + 25 * 10_000;

let world: World;
beforeEach(async () => {
  world = await startWorld();
});
afterEach(() => world.close());

describe("the OpenAI SDK with an API key", () => {
  const client = () => new OpenAI({ baseURL: `${world.base}/openai/v1`, apiKey: API_KEY, maxRetries: 0 });

  test("a whole answer", async () => {
    const answer = await client().responses.create({ model: MODEL, input: "Say hello." });
    expect(answer.output_text).toBe("Hello.");
    expect(answer.usage?.output_tokens).toBe(25);
    expect(answer._request_id).toMatch(/^req_[a-z2-7]{52}$/);
  });

  test("a streamed answer, settled by its usage and recorded", async () => {
    const stream = await client().responses.create({ model: MODEL, input: "Say hello.", stream: true });
    const types: string[] = [];
    for await (const event of stream) types.push(event.type);
    expect(types[0]).toBe("response.created");
    expect(types.at(-1)).toBe("response.completed");

    const [record] = await world.records(1);
    expect(record).toMatchObject({
      eventVersion: "1.11",
      eventSource: "bedrock-mantle.amazonaws.com",
      eventName: "CreateInference",
      eventCategory: "Data",
      awsRegion: REGION,
      sourceIPAddress: "127.0.0.1",
      recipientAccountId: ACCOUNT,
      readOnly: false,
      requestParameters: { model: MODEL, stream: true },
      resources: [{ type: "AWS::BedrockMantle::Project", ARN: PROJECT }],
      userIdentity: { type: "IAMUser", arn: `arn:aws:iam::${ACCOUNT}:user/dev`, userName: "dev" },
      additionalEventData: {
        callWithBearerToken: true,
        bearerTokenType: "LONG_TERM",
        decision: { effect: "allow", statement: { policy: "dev", sid: "All" } },
        usage: USAGE,
        costNanoUsd: COST,
        quality: "final",
        upstream: "main",
        upstreamRequestId: "req_scripted0",
      },
    });
    expect(record.userAgent).toContain("OpenAI/JS");
    expect(record.errorCode).toBeUndefined();
    expect(record.additionalEventData.reservation.scopes).toEqual([
      "organization",
      "project/default",
      `principal/arn:aws:iam::${ACCOUNT}:user/dev`,
      `key/${record.userIdentity.accessKeyId}`,
    ]);
    const spent = await world.store.ledger.spent("organization", Date.now());
    expect(spent).toEqual({ amount: COST, usage: USAGE, calls: 1 });
  });

  test("lists and gets models", async () => {
    const ids = (await client().models.list()).data.map(({ id }) => id);
    expect(ids).toEqual([MODEL, "openai.gpt-oss-20b"]);
    expect(await client().models.retrieve(MODEL)).toMatchObject({
      id: MODEL,
      object: "model",
      owned_by: "openai",
    });
    await expect(client().models.retrieve("gpt-5.5")).rejects.toMatchObject({
      status: 404,
      message: expect.stringContaining(MODEL),
    });
    const records = await world.records(3);
    expect(records.map((record) => record.eventName)).toEqual(["ListModels", "GetModel", "GetModel"]);
    expect(records[2]).toMatchObject({
      errorCode: "unknown_model",
      readOnly: true,
      eventCategory: "Management",
    });
  });
});

describe("SigV4", () => {
  const send = (headers: Record<string, string>, body: string, path = "/openai/v1/responses") =>
    fetch(world.base + path, { method: "POST", headers, body });

  test("signed by @smithy/signature-v4, for either service", async () => {
    for (const service of ["bedrock-mantle", "bedrock"]) {
      const signer = new SignatureV4({ service, region: REGION, credentials: KEYS, sha256: Sha256 });
      const { headers } = await signer.sign(smithyRequest({ host: `127.0.0.1:${world.port}` }));
      expect((await send(headers, request())).status).toBe(200);
    }
    const [record] = await world.records(2);
    expect(record.userIdentity.accessKeyId).toBe(KEYS.accessKeyId);
    expect(record.additionalEventData.callWithBearerToken).toBeUndefined();
  });

  test("signed by aws4, without a content hash", async () => {
    const { headers } = aws4.sign(
      {
        path: "/v1/responses",
        method: "POST",
        service: "bedrock-mantle",
        region: REGION,
        body: request(),
        headers: { "content-type": "application/json", Host: `127.0.0.1:${world.port}` },
      },
      KEYS,
    );
    const { Host: _, "Content-Length": __, ...rest } = headers;
    expect((await send(rest, request(), "/v1/responses")).status).toBe(200);
  });

  test("over h2c with `:authority` signed, two streams on one session", async () => {
    const signer = new SignatureV4({ service: "bedrock", region: REGION, credentials: KEYS, sha256: Sha256 });
    const { headers } = await signer.sign(smithyRequest({ ":authority": `127.0.0.1:${world.port}` }));
    expect(headers["authorization"]).toContain("SignedHeaders=:authority;");
    const session = connect(world.base);
    const answers = await Promise.all(
      [1, 2].map(
        () =>
          new Promise<{ status: unknown; id: unknown; text: string }>((resolve) => {
            const stream = session.request({
              ...headers,
              ":method": "POST",
              ":path": "/openai/v1/responses",
            });
            let head: Record<string, unknown> = {};
            let text = "";
            stream.on("response", (received) => {
              head = received;
            });
            stream.on("data", (chunk) => {
              text += chunk;
            });
            stream.on("end", () => resolve({ status: head[":status"], id: head["x-amzn-requestid"], text }));
            stream.end(request());
          }),
      ),
    );
    session.close();
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 200, id: expect.stringMatching(/^req_/) });
      expect(JSON.parse(answer.text).status).toBe("completed");
    }
    await world.records(2);
  });

  test("a signature holds for its body, path and headers only", async () => {
    const headers = signed(world, request());
    expect((await send(headers, request())).status).toBe(200);
    expect((await send(headers, request({ input: "Another." }))).status).toBe(401);
    expect((await send(headers, request(), "/v1/responses")).status).toBe(401);
    expect((await send({ ...headers, "content-type": "text/plain" }, request())).status).toBe(401);
  });
});

describe("pass-through", () => {
  const odd = `{ "model" :"${MODEL}",\n\t"unknown":[1,{"é":"\\u00e9"}], "input":"x\\u0041","stream":false }\n`;

  test("the body travels as it came, credentials and cookies do not", async () => {
    await post(world, odd, {
      cookie: "a=b",
      "x-api-key": "secret",
      "x-forwarded-for": "1.2.3.4",
      "x-codex-window-id": "w1",
      "session-id": "s1",
      "OpenAI-Beta": "responses=v1",
      "x-amz-security-token": "t",
    });
    const [seen] = world.model.requests;
    expect(seen!.body.toString()).toBe(odd);
    expect(seen!.path).toBe("/v1/responses");
    expect(seen!.headers).toMatchObject({
      "content-type": "application/json",
      "x-codex-window-id": "w1",
      "session-id": "s1",
      "openai-beta": "responses=v1",
    });
    for (const name of ["authorization", "cookie", "x-api-key", "x-forwarded-for", "x-amz-security-token"]) {
      expect(seen!.headers).not.toHaveProperty(name);
    }
  });

  test("the answer travels as it came, with the headers that may", async () => {
    const raw =
      `: hello\r\n\r\nevent: response.created\ndata: {"odd" :1}\n\n` +
      `event: x\ndata:é\ndata: 2\n\nevent: response.completed\n` +
      `data: {"type":"response.completed","response":{"id":"r","status":"completed","usage":{"input_tokens":1,"output_tokens":1}}}\n\n`;
    await world.close();
    world = await startWorld({
      script: [
        {
          http: {
            status: 200,
            headers: {
              "content-type": "text/event-stream; charset=utf-8",
              "x-ratelimit-remaining-tokens": "7",
              "set-cookie": "a=b",
              server: "secret-backend",
              "x-request-id": "up-1",
            },
            body: raw,
          },
        },
      ],
    });
    const response = await post(world, request({ stream: true }));
    expect(await response.text()).toBe(raw);
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(response.headers.get("x-ratelimit-remaining-tokens")).toBe("7");
    expect(response.headers.get("x-moho-upstream-request-id")).toBe("up-1");
    expect(response.headers.get("set-cookie")).toBeNull();
    expect(response.headers.get("server")).toBeNull();
    expect((await world.records(1))[0].additionalEventData.usage).toMatchObject({ input: 1, output: 1 });
  });

  test("a route may name another upstream id: only the model's bytes change", async () => {
    await world.close();
    world = await startWorld({
      settings: { routes: [{ model: MODEL, upstream: "main", upstreamModel: "gpt-oss:20b" }] },
    });
    expect((await post(world, odd)).status).toBe(200);
    expect(world.model.requests[0]!.body.toString()).toBe(odd.replace(MODEL, "gpt-oss:20b"));
    const [record] = await world.records(1);
    expect(record.requestParameters.model).toBe(MODEL);
    expect(record.additionalEventData.upstreamModel).toBe("gpt-oss:20b");
  });

  test("an upstream's own refusal passes as it is", async () => {
    const body =
      '{ "error": {"code":"rate_limit_exceeded","message":"Slow down, secret prompt.","type":"x"} }';
    await world.close();
    world = await startWorld({ script: [{ http: { status: 429, headers: { "retry-after": "7" }, body } }] });
    const response = await post(world, request());
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "7"]);
    expect(await response.text()).toBe(body);
    const [record] = await world.records(1);
    expect(record).toMatchObject({ errorCode: "throttled", errorMessage: "The upstream answered 429." });
    expect(record.additionalEventData).toMatchObject({
      costNanoUsd: 0,
      quality: "final",
      upstreamStatus: 429,
    });
    expect(JSON.stringify(record)).not.toContain("secret prompt");
  });
});

describe("projects", () => {
  test("OpenAI-Project chooses the resource and the budget's scope", async () => {
    await world.close();
    world = await startWorld({ settings: { projects: ["proj_a"] } });
    expect((await post(world, request(), { "OpenAI-Project": "proj_a" })).status).toBe(200);
    expect(await errorOf(await post(world, request(), { "OpenAI-Project": "proj_b" }))).toMatchObject({
      status: 404,
    });
    const [record] = await world.records(2);
    expect(record.resources[0].ARN).toBe(PROJECT.replace("default", "proj_a"));
    expect(record.additionalEventData.reservation.scopes).toContain("project/proj_a");
  });
});

describe("what is served", () => {
  test("health without credentials, everything else only with", async () => {
    expect(await (await fetch(`${world.base}/healthz`)).json()).toEqual({ status: "ok" });
    expect((await fetch(`${world.base}/readyz`, { method: "HEAD" })).status).toBe(200);
    const closed = ROUTES.filter((route) => route.action !== undefined);
    expect(closed).toHaveLength(6);
    for (const { method, path } of closed) {
      expect((await fetch(world.base + path.replace("{id}", MODEL), { method })).status).toBe(401);
    }
  });

  test("unknown paths and methods, in the caller's dialect", async () => {
    for (const path of [
      "/",
      "/v1",
      "/v1/models/",
      "/v1/models/a/b",
      "/openai/v1/responses/",
      "/admin",
      "/v1//responses",
    ]) {
      expect(await errorOf(await fetch(world.base + path))).toMatchObject({
        status: 404,
        code: "not_found_error",
      });
    }
    const response = await fetch(`${world.base}/v1/responses`);
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
    expect((await fetch(`${world.base}/healthz`, { method: "POST" })).headers.get("allow")).toBe("GET, HEAD");
  });

  test("no prompt and no answer is in a record", async () => {
    await world.close();
    world = await startWorld({ script: () => ({ items: [says("CANARY-ANSWER")] }) });
    await (await post(world, request({ input: "CANARY-PROMPT", stream: true }))).text();
    await (await post(world, request({ input: "CANARY-PROMPT" }))).text();
    expect(JSON.stringify(await world.records(2))).not.toContain("CANARY");
  });
});

function smithyRequest(host: Record<string, string>) {
  return {
    method: "POST",
    protocol: "http:",
    hostname: "127.0.0.1",
    port: world.port,
    path: "/openai/v1/responses",
    headers: { ...host, "content-type": "application/json" },
    body: request(),
  };
}

/** The hash that @smithy/signature-v4 wants to be given. */
class Sha256 {
  readonly #hash;
  constructor(secret?: unknown) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", secret as Uint8Array);
  }
  update(data: Uint8Array): void {
    this.#hash.update(data);
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
  reset(): void {}
}
