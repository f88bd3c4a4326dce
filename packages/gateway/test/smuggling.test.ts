/** Attacks on the reading of a request: heads that two readers could take differently, sizes, slowness. Raw sockets. */

import { connect as h2Connect } from "node:http2";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { API_KEY, errorOf, KEYS, post, request, signed, startWorld, until, type World } from "./world.ts";

let world: World;
beforeEach(async () => {
  world = await startWorld({
    settings: {
      limits: { bodyBytes: 4_096, headerBytes: 8_192, headersMs: 150 },
    },
  });
});
afterEach(() => world.close());

const BODY = request();
const AUTH = `authorization: Bearer ${API_KEY}`;

/** Sends bytes, and returns everything that comes back until the other side closes or `enough` answers came. */
function raw(bytes: string | readonly string[], everyMs = 0): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(world.port, "127.0.0.1");
    let text = "";
    socket.setTimeout(3_000, () => socket.destroy());
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
    void (async () => {
      for (const piece of [bytes].flat()) {
        if (socket.destroyed) return;
        socket.write(piece);
        if (everyMs > 0) await new Promise((next) => setTimeout(next, everyMs));
      }
    })();
  });
}

const head = (...lines: string[]) =>
  `POST /v1/responses HTTP/1.1\r\n${["connection: close", ...lines].join("\r\n")}\r\n\r\n`;

describe("heads that could be read in two ways are refused, and nothing reaches the model", () => {
  test.each<[string, () => string]>([
    [
      "transfer-encoding and content-length",
      () => head("host: a", AUTH, `content-length: ${BODY.length}`, "transfer-encoding: chunked") + BODY,
    ],
    [
      "content-length and transfer-encoding, obfuscated",
      () => head("host: a", AUTH, "transfer-encoding: xchunked", "content-length: 4") + BODY,
    ],
    [
      "two content-lengths",
      () => head("host: a", AUTH, "content-length: 4", `content-length: ${BODY.length}`) + BODY,
    ],
    [
      "two equal content-lengths",
      () => head("host: a", AUTH, `content-length: ${BODY.length}`, `content-length: ${BODY.length}`) + BODY,
    ],
    ["a content-length with a sign", () => head("host: a", AUTH, `content-length: +${BODY.length}`) + BODY],
    ["a content-length list", () => head("host: a", AUTH, "content-length: 4, 4") + BODY],
    [
      "two authorizations",
      () => head("host: a", AUTH, "authorization: Bearer x", `content-length: ${BODY.length}`) + BODY,
    ],
    [
      "two authorizations, the good one last",
      () => head("host: a", "Authorization: Bearer x", AUTH, `content-length: ${BODY.length}`) + BODY,
    ],
    ["two hosts", () => head("host: a", "host: b", AUTH, `content-length: ${BODY.length}`) + BODY],
    ["no host", () => head(AUTH, `content-length: ${BODY.length}`) + BODY],
    [
      "two projects",
      () =>
        head(
          "host: a",
          AUTH,
          "openai-project: default",
          "OpenAI-Project: other",
          `content-length: ${BODY.length}`,
        ) + BODY,
    ],
    [
      "a compressed body",
      () => head("host: a", AUTH, "content-encoding: gzip", `content-length: ${BODY.length}`) + BODY,
    ],
    ["a folded header", () => head("host: a", "x: 1\r\n y", AUTH, `content-length: ${BODY.length}`) + BODY],
    [
      "a space before the colon",
      () => head("host: a", "transfer-encoding : chunked", AUTH, `content-length: ${BODY.length}`) + BODY,
    ],
    [
      "a bare line feed",
      () => `POST /v1/responses HTTP/1.1\nhost: a\n${AUTH}\ncontent-length: ${BODY.length}\n\n${BODY}`,
    ],
    [
      "a bad chunk size",
      () => `${head("host: a", AUTH, "transfer-encoding: chunked")}zz\r\n${BODY}\r\n0\r\n\r\n`,
    ],
    ["bytes that are no HTTP", () => "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"],
    ["half of HTTP/2's preface", () => "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n\r\n"],
  ])("%s", async (_, bytes) => {
    const answer = await raw(bytes());
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toMatch(/\r\nx-request-id: req_[a-z2-7]{52}\r\n/);
    expect(answer).toMatch(/\r\ndate: /i);
    expect(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n")))).toMatchObject({
      error: { code: "validation_error" },
    });
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(world.model.requests).toEqual([]);
  });

  test("an absolute target and tricks with dots are no routes", async () => {
    for (const target of [
      "http://evil/v1/responses",
      "/v1/./responses",
      "/v1/x/../responses",
      "/v1/responses%00",
      "/V1/responses",
      "/v1/responses/",
    ]) {
      const answer = await raw(
        `POST ${target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${AUTH}\r\ncontent-length: 0\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    }
  });

  test("a signed request does not hold for another host, nor with an unsigned x-amz header or a signed one twice", async () => {
    const headers = Object.entries(signed(world, BODY, { path: "/v1/responses" })).map(
      ([name, value]) => `${name}: ${value}`,
    );
    const length = `content-length: ${BODY.length}`;
    const host = `host: 127.0.0.1:${world.port}`;
    expect(await raw(head(host, length, ...headers) + BODY)).toMatch(/^HTTP\/1\.1 200 /);
    expect(await raw(head("host: evil", length, ...headers) + BODY)).toMatch(/^HTTP\/1\.1 401 /);
    expect(await raw(head(host, length, "x-amz-extra: 1", ...headers) + BODY)).toMatch(/^HTTP\/1\.1 401 /);
    const twice = [...headers, headers.find((line) => line.startsWith("x-amz-date"))!];
    expect(await raw(head(host, length, ...twice) + BODY)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test("two requests in one write get their own answers, in order", async () => {
    const bad = head("host: a", AUTH, "content-length: 2").replace("connection: close\r\n", "");
    const answer = await raw(`${bad}{}${head("host: a", AUTH, `content-length: ${BODY.length}`)}${BODY}`);
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 400", "HTTP/1.1 200"]);
  });

  test("over h2c a host that differs from `:authority` is refused", async () => {
    const session = h2Connect(world.base);
    const stream = session.request({
      ":method": "POST",
      ":path": "/v1/responses",
      ":authority": `127.0.0.1:${world.port}`,
      host: "evil",
      authorization: `Bearer ${API_KEY}`,
    });
    const status = new Promise((resolve) => stream.on("response", (headers) => resolve(headers[":status"])));
    stream.resume();
    stream.end(BODY);
    expect(await status).toBe(400);
    session.close();
  });
});

describe("sizes", () => {
  const large = request({ input: "x".repeat(5_000) });

  test("a body above the limit, announced or not", async () => {
    const announced = await post(world, large);
    expect(await errorOf(announced)).toMatchObject({
      status: 413,
      message: expect.stringContaining("4096 bytes"),
    });
    const chunked = `${head("host: a", AUTH, "transfer-encoding: chunked")}1400\r\n${"x".repeat(5_120)}\r\n0\r\n\r\n`;
    expect(await raw(chunked)).toMatch(/^HTTP\/1\.1 413 /);
    expect(world.model.requests).toEqual([]);
    expect((await world.records(2)).map((record) => record.errorCode)).toEqual([
      "body_too_large",
      "body_too_large",
    ]);
  });

  test("`expect: 100-continue` is answered before the body is sent", async () => {
    const refused = await raw(head("host: a", AUTH, "expect: 100-continue", "content-length: 5000"));
    expect(refused).toMatch(/^HTTP\/1\.1 413 /);
    const taken = await raw(
      [head("host: a", AUTH, "expect: 100-continue", `content-length: ${BODY.length}`), BODY],
      20,
    );
    expect(taken).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
  });

  test("many bodies at once: no more are held than there is room for, and the room comes back", async () => {
    await world.close();
    world = await startWorld({ settings: { limits: { bodiesBytes: 6_000 } } });
    const body = request({ input: "x".repeat(3_900) });
    const slow = connect(world.port, "127.0.0.1");
    let answer = "";
    slow.on("data", (chunk) => {
      answer += chunk;
    });
    slow.write(head("host: a", AUTH, `content-length: ${body.length}`) + body.slice(0, -1));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const refused = await post(world, body);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    slow.write(body.slice(-1));
    await until(() => answer.startsWith("HTTP/1.1 200 "));
    for (let i = 0; i < 3; i++) expect((await post(world, body)).status).toBe(200);
  });

  test.each<[string, () => Record<string, string>]>([
    ["no credentials", () => ({})],
    ["an unknown key", () => ({ authorization: "Bearer ABSKnobody" })],
    [
      "an unknown access key",
      () => signed(world, BODY, { keys: { ...KEYS, accessKeyId: "AKIANOBODY" }, path: "/v1/responses" }),
    ],
    ["an old signature", () => signed(world, BODY, { now: Date.now() - 600_000, path: "/v1/responses" })],
    ["another service", () => signed(world, BODY, { service: "s3", path: "/v1/responses" })],
  ])("strangers get no room for a body: %s", async (_, headers) => {
    const lines = Object.entries(headers()).map(([name, value]) => `${name}: ${value}`);
    const host = `host: 127.0.0.1:${world.port}`;
    const answer = await raw(head(host, "expect: 100-continue", "content-length: 4000", ...lines));
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
    expect((await world.records(1))[0].userIdentity.type).toBe("Unknown");
  });

  test("headers above the limit", async () => {
    expect(await raw(head("host: a", AUTH, `x: ${"y".repeat(20_000)}`))).toMatch(/^HTTP\/1\.1 431 /);
  });
});

describe("slowness", () => {
  test("a head that does not come, whole or at all", async () => {
    expect(await raw("POST /v1/responses HTTP/1.1\r\nho")).toMatch(/^HTTP\/1\.1 408 /);
    expect(await raw("PRI * HT")).toBe("");
    expect(await raw([])).toBe("");
  });

  test.each([
    ["stalls", { bodyIdleMs: 100, bodyMs: 60_000 }, ["{"], 0, "0.1"],
    ["trickles", { bodyIdleMs: 60_000, bodyMs: 100 }, [...BODY.slice(0, 30)], 20, "0.1"],
  ] as const)("a body that %s", async (_, limits, pieces, everyMs, seconds) => {
    await world.close();
    world = await startWorld({ settings: { limits } });
    const answer = await raw([head("host: a", AUTH, `content-length: ${BODY.length}`), ...pieces], everyMs);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain(`did not arrive within ${seconds} seconds`);
    expect(world.model.requests).toEqual([]);
  });

  test("a peer that leaves in silence leaves nothing behind", async () => {
    const socket = connect(world.port, "127.0.0.1");
    socket.write(head("host: a", AUTH, "content-length: 100"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.resetAndDestroy();
    const [record] = await world.records(1);
    expect(record.errorCode).toBe("interrupted");
    await until(() => socket.destroyed);
  });
});

test("a wrong secret and an unknown key are told apart by nothing but the signature's own words", async () => {
  const answers = await Promise.all(
    ["AKIANOBODY", "AKIANOBODYELSE"].map(async (accessKeyId) => {
      const response = await fetch(`${world.base}/v1/responses`, {
        method: "POST",
        headers: signed(world, BODY, { keys: { ...KEYS, accessKeyId }, path: "/v1/responses" }),
        body: BODY,
      });
      return response.text();
    }),
  );
  expect(answers[0]).toBe(answers[1]);
  expect(answers[0]).not.toContain("AKIA");
});
