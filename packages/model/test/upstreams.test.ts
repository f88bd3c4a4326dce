/** The upstreams over real sockets, against a server that verifies every signature: signing, clock, renewal, what travels. */

import { hash, randomBytes } from "node:crypto";
import { readSignature, SigningKeys, verifySignature } from "@moho/aws";
import {
  type HttpAnswer,
  type RecordedRequest,
  type ScriptedModel,
  says,
  startScriptedModel,
} from "@moho/testkit";
import { afterEach, describe, expect, test } from "vitest";
import {
  type Auth,
  type Credentials,
  createBedrockMantle,
  createBedrockRuntime,
  createNodeTransport,
  createOpenAiCompatible,
  createUndiciTransport,
  fixedCredentials,
  type Transport,
  type Upstream,
  type UpstreamCall,
} from "../src/index.ts";
import { bench, play, STATIC_KEYS } from "./agent-side.ts";

const SECRETS: Record<string, string> = {
  AKIDEXAMPLE: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  ASIANEXT: "the-next-secret",
};
const OK = { items: [says("hello")] };
const MINUTES = 60_000;

/** What a server that checks signatures would say; `undefined` when the request is good. */
function judge(request: RecordedRequest, service: string): HttpAnswer | undefined {
  const raw = {
    method: request.method,
    rawTarget: request.path,
    rawHeaders: request.rawHeaders,
    bodySha256: hash("sha256", request.body, "hex"),
  };
  const claim = readSignature(raw);
  if (!claim?.ok)
    return { status: 401, body: { error: { code: "missing_credentials", message: "unsigned" } } };
  const verdict = verifySignature(raw, claim, SECRETS[claim.accessKeyId] ?? "", {
    now: Date.now(),
    services: [service],
    regions: ["us-east-1"],
    keys: new SigningKeys(),
  });
  if (verdict.ok) return undefined;
  return {
    status: 403,
    headers: { "x-amzn-errortype": verdict.awsName },
    body: { message: verdict.message },
  };
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function server(
  decide: (request: RecordedRequest, n: number) => HttpAnswer | undefined,
): Promise<ScriptedModel> {
  const model = await startScriptedModel((request, n) => {
    const refusal = decide(request, n);
    return refusal ? { http: refusal } : OK;
  });
  cleanups.push(() => model.close());
  return model;
}

function call(more: Partial<UpstreamCall> = {}): UpstreamCall {
  return {
    dialect: "responses",
    model: "openai.gpt-5.6-sol",
    path: "/responses",
    method: "POST",
    headers: { accept: "text/event-stream", "content-type": "application/json" },
    body: Buffer.from('{"model":"openai.gpt-5.6-sol","stream":true,"input":"hi"}'),
    stream: true,
    signal: new AbortController().signal,
    ...more,
  };
}

function transports(): [string, Transport][] {
  const [node, undici] = [createNodeTransport(), createUndiciTransport()];
  cleanups.push(
    () => node.close(),
    () => void undici.close(),
  );
  return [
    ["node:http", node],
    ["undici", undici],
  ];
}

async function textOf(upstream: Upstream, more?: Partial<UpstreamCall>): Promise<[number, string]> {
  const answer = await upstream.send(call(more));
  let text = "";
  for await (const chunk of answer.body) text += chunk;
  return [answer.status, text];
}

describe("bedrock-mantle", () => {
  test("signs with its own keys for its own service; the body's bytes are the caller's", async () => {
    for (const [name, transport] of transports()) {
      const model = await server((request) => judge(request, "bedrock-mantle"));
      const upstream = createBedrockMantle({
        name: "m",
        region: "us-east-1",
        baseUrl: model.url,
        credentials: STATIC_KEYS,
        transport,
        now: Date.now,
      });
      const odd = Buffer.concat([
        Buffer.from('{ "model" :"x",\n"a":"\\u00e9'),
        randomBytes(2000),
        Buffer.from('"}'),
      ]);
      const [status] = await textOf(upstream, { body: odd });
      expect([name, status]).toEqual([name, 200]);
      const [request] = model.requests;
      expect(request!.body.equals(odd)).toBe(true);
      expect(request!.path).toBe("/openai/v1/responses");
      expect(request!.headers["x-amzn-mantle-client-agent"]).toBe("moho");
    }
  });

  test("nothing of the caller's authorisation or connection travels", async () => {
    const model = await server((request) => judge(request, "bedrock-mantle"));
    const upstream = createBedrockMantle({
      name: "m",
      region: "us-east-1",
      baseUrl: model.url,
      credentials: STATIC_KEYS,
      transport: transports()[0]![1],
      now: Date.now,
    });
    const secret = "caller-secret";
    const headers: Record<string, string> = {
      "session-id": "s1",
      "x-codex-window-id": "w",
      "user-agent": "codex_exec/0.169.0",
    };
    for (const name of [
      "authorization",
      "x-api-key",
      "api-key",
      "cookie",
      "x-amz-security-token",
      "x-amz-date",
      "x-amz-content-sha256",
      "proxy-authorization",
      "x-forwarded-for",
      "forwarded",
      "session_id",
      "accept-encoding",
    ])
      headers[name] = secret;
    const [status] = await textOf(upstream, { headers });
    expect(status).toBe(200);
    const [{ headers: sent, rawHeaders }] = model.requests as [RecordedRequest];
    expect(JSON.stringify(rawHeaders)).not.toContain(secret);
    expect([sent["session-id"], sent["x-codex-window-id"], sent["user-agent"]]).toEqual([
      "s1",
      "w",
      "codex_exec/0.169.0",
    ]);
  });

  test("a hash that the caller knows is signed as it is: the body is not hashed twice", async () => {
    const model = await server((request) => judge(request, "bedrock-mantle"));
    const upstream = createBedrockMantle({
      name: "m",
      region: "us-east-1",
      baseUrl: model.url,
      credentials: STATIC_KEYS,
      transport: transports()[0]![1],
      now: Date.now,
    });
    const bodySha256 = hash("sha256", call().body!, "hex");
    expect((await textOf(upstream, { bodySha256 }))[0]).toBe(200);
    expect((await textOf(upstream, { bodySha256: "0".repeat(64) }))[0]).toBe(403);
  });

  test("gpt-oss goes to its own path, and a base URL with a path is obeyed", async () => {
    const model = await server(() => undefined);
    const [, transport] = transports()[0]!;
    const options = { name: "m", region: "us-east-1", credentials: STATIC_KEYS, transport, now: Date.now };
    await textOf(createBedrockMantle({ ...options, baseUrl: model.url }), { model: "openai.gpt-oss-120b" });
    await textOf(createBedrockMantle({ ...options, baseUrl: `${model.url}/openai/v1` }), {
      model: "openai.gpt-oss-120b",
    });
    expect(model.requests.map(({ path }) => path)).toEqual(["/v1/responses", "/openai/v1/responses"]);
  });

  test("lists models", async () => {
    const model = await startScriptedModel([], { models: ["openai.gpt-5.5", "openai.gpt-oss-20b"] });
    cleanups.push(() => model.close());
    const upstream = createBedrockMantle({
      name: "m",
      region: "us-east-1",
      baseUrl: model.url,
      credentials: STATIC_KEYS,
      transport: transports()[0]![1],
      now: Date.now,
    });
    expect(await upstream.models(new AbortController().signal)).toEqual([
      "openai.gpt-5.5",
      "openai.gpt-oss-20b",
    ]);
  });
});

test("bedrock-runtime signs for `bedrock` on the OpenAI routes; openai-compatible sends only its bearer", async () => {
  const runtime = await server((request) => judge(request, "bedrock"));
  const [, transport] = transports()[0]!;
  const upstream = createBedrockRuntime({
    name: "r",
    region: "us-east-1",
    baseUrl: runtime.url,
    credentials: STATIC_KEYS,
    transport,
    now: Date.now,
  });
  expect((await textOf(upstream))[0]).toBe(200);
  expect(runtime.requests[0]!.path).toBe("/openai/v1/responses");

  const other = await server(() => undefined);
  const bearer: Auth = { kind: "bearer", token: "sk-local", source: "the test", expiresAt: undefined };
  const compatible = createOpenAiCompatible({
    name: "o",
    baseUrl: `${other.url}/v1`,
    credentials: fixedCredentials(bearer),
    transport,
    now: Date.now,
  });
  await textOf(compatible, { headers: { authorization: "Bearer callers-own" } });
  const open = createOpenAiCompatible({
    name: "o",
    baseUrl: `${other.url}/v1`,
    credentials: fixedCredentials({ kind: "none", source: "nothing" }),
    transport,
    now: Date.now,
  });
  await textOf(open);
  expect(other.requests.map(({ path, headers }) => [path, headers["authorization"]])).toEqual([
    ["/v1/responses", "Bearer sk-local"],
    ["/v1/responses", undefined],
  ]);
});

test.each([20, -20, 600, -5.5])(
  "a clock that is %d minutes off is corrected from the answer's date, once for all calls",
  async (minutes) => {
    const model = await server((request) => judge(request, "bedrock-mantle"));
    const upstream = createBedrockMantle({
      name: "m",
      region: "us-east-1",
      baseUrl: model.url,
      credentials: STATIC_KEYS,
      transport: transports()[0]![1],
      now: () => Date.now() + minutes * MINUTES,
    });
    expect((await textOf(upstream))[0]).toBe(200);
    expect((await textOf(upstream))[0]).toBe(200);
    expect(model.requests).toHaveLength(3);
  },
);

test("a process that slept between signing and sending signs again for its next try", async () => {
  let clock = Date.now() - 10 * MINUTES;
  const asleep = await server((request, n) => {
    clock = Date.now();
    return n === 0 ? { status: 500, body: {} } : judge(request, "bedrock-mantle");
  });
  const upstream = createBedrockMantle({
    name: "m",
    region: "us-east-1",
    baseUrl: asleep.url,
    credentials: STATIC_KEYS,
    transport: transports()[0]![1],
    now: () => clock,
  });
  expect((await textOf(upstream))[0]).toBe(500);
  expect((await textOf(upstream))[0]).toBe(200);
  const dates = asleep.requests.map(({ headers }) => headers["x-amz-date"]);
  expect(new Set(dates).size).toBe(2);
});

test("a bad signature is not the clock's fault: it is refused once, with the server's words", async () => {
  const model = await server((request) => judge(request, "bedrock-mantle"));
  const wrong: Auth = {
    kind: "sigv4",
    source: "the test",
    credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wrong" },
  };
  const upstream = createBedrockMantle({
    name: "m",
    region: "us-east-1",
    baseUrl: model.url,
    credentials: fixedCredentials(wrong),
    transport: transports()[0]![1],
    now: Date.now,
  });
  const [status, text] = await textOf(upstream);
  expect(status).toBe(403);
  expect(text).toContain("signature");
  expect(model.requests).toHaveLength(1);
});

/** Credentials that are replaced once by a renewal. */
function renewable(next: Auth | undefined): Credentials & { renewals: number } {
  const first: Auth = {
    kind: "sigv4",
    source: "the test",
    credentials: {
      accessKeyId: "AKIDEXAMPLE",
      secretAccessKey: SECRETS["AKIDEXAMPLE"]!,
      sessionToken: "old",
    },
  };
  let now: Auth = first;
  return {
    renewals: 0,
    current: async () => now,
    async renew() {
      this.renewals++;
      if (next) now = next;
      return next;
    },
    explainRefusal: async () => "",
  };
}

test("credentials that expired are renewed once and the same bytes are sent again", async () => {
  const expired: HttpAnswer = {
    status: 403,
    headers: { "x-amzn-errortype": "ExpiredTokenException" },
    body: { message: "The security token included in the request is expired" },
  };
  const model = await server((request) =>
    request.headers["x-amz-security-token"] === "old" ? expired : judge(request, "bedrock-mantle"),
  );
  const next: Auth = {
    kind: "sigv4",
    source: "the test",
    credentials: { accessKeyId: "ASIANEXT", secretAccessKey: SECRETS["ASIANEXT"]!, sessionToken: "new" },
  };
  const credentials = renewable(next);
  const options = {
    name: "m",
    region: "us-east-1",
    baseUrl: model.url,
    transport: transports()[0]![1],
    now: Date.now,
  };
  const upstream = createBedrockMantle({ ...options, credentials });
  expect((await textOf(upstream))[0]).toBe(200);
  expect(credentials.renewals).toBe(1);
  expect(model.requests).toHaveLength(2);
  expect(model.requests[0]!.body.equals(model.requests[1]!.body)).toBe(true);

  const hopeless = renewable(undefined);
  const [status, text] = await textOf(createBedrockMantle({ ...options, credentials: hopeless }));
  expect([status, hopeless.renewals]).toEqual([403, 1]);
  expect(text).toContain("expired");
});

test("a denial by policy renews nothing", async () => {
  const model = await server(() => ({
    status: 403,
    body: {
      error: {
        code: "access_denied",
        message: "User: x is not authorized to perform: bedrock-mantle:CreateInference",
      },
    },
  }));
  const credentials = renewable(undefined);
  const upstream = createBedrockMantle({
    name: "m",
    region: "us-east-1",
    baseUrl: model.url,
    credentials,
    transport: transports()[0]![1],
    now: Date.now,
  });
  expect((await textOf(upstream))[0]).toBe(403);
  expect([credentials.renewals, model.requests.length]).toEqual([0, 1]);
});

test("an agent's retries are signed anew, each with its own time", async () => {
  let clock = Date.now() - 2 * MINUTES;
  const open = await bench(
    (request, n) => {
      clock += MINUTES;
      const refusal = judge(request, "bedrock-mantle");
      return refusal ? { http: refusal } : n < 2 ? { http: { status: 500, body: {} } } : OK;
    },
    { now: () => clock },
  );
  cleanups.push(() => open.close());
  const events = await play(open.client);
  expect(events.at(-1)!.type).toBe("completed");
  expect(new Set(open.model.requests.map(({ headers }) => headers["x-amz-date"])).size).toBe(3);
});

test("signing without a region, and keys where only a bearer works, say what to configure", async () => {
  const [, transport] = transports()[0]!;
  const options = {
    name: "m",
    credentials: STATIC_KEYS,
    transport,
    now: Date.now,
    baseUrl: "http://127.0.0.1:1/v1",
  };
  await expect(textOf(createBedrockMantle(options))).rejects.toMatchObject({
    code: "invalid_config",
    message: expect.stringContaining("AWS_REGION"),
  });
  await expect(textOf(createOpenAiCompatible(options))).rejects.toMatchObject({ code: "invalid_config" });
});
