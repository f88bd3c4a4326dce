/** Streams that do not end well, on either side: cut, died, stalled, stopped. Each is settled and recorded. */

import { createServer, get, request as httpRequest, type IncomingMessage } from "node:http";
import { connect as h2Connect } from "node:http2";
import type { AddressInfo } from "node:net";
import { MohoError } from "@moho/protocol";
import { says } from "@moho/testkit";
import OpenAI from "openai";
import { afterEach, describe, expect, test } from "vitest";
import {
  API_KEY,
  MODEL,
  post,
  request,
  startWorld,
  USAGE,
  until,
  type World,
  type WorldOptions,
} from "./world.ts";

let world: World;
const start = async (options?: WorldOptions) => {
  world = await startWorld(options);
};
afterEach(() => world.close());

const TEXT = "A fairly long answer that takes several deltas to say.";
const STREAM = request({ stream: true });

/** Reads a response to its end or its break. */
async function readAll(response: Response): Promise<{ text: string; broken: boolean }> {
  let text = "";
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body!) text += decoder.decode(chunk as Uint8Array, { stream: true });
    return { text, broken: false };
  } catch {
    return { text, broken: true };
  }
}

function eventsOf(text: string): { type: string; sequence_number: number; [extra: string]: unknown }[] {
  return [...text.matchAll(/^data: (.*)$/gm)].map((match) => JSON.parse(match[1]!));
}

describe("a client that cuts", () => {
  test("its stream closes the upstream within 100 ms; the call is settled by an estimate", async () => {
    await start({ script: [{ items: [says(TEXT)], chunk: 4, faults: [{ kind: "silence", after: 9 }] }] });
    const abort = new AbortController();
    const response = await fetch(`${world.base}/openai/v1/responses`, {
      method: "POST",
      headers: { authorization: `Bearer ${API_KEY}` },
      body: STREAM,
      signal: abort.signal,
    });
    const reader = response.body!.getReader();
    for (let text = ""; !text.includes("output_text.delta"); ) {
      text += Buffer.from((await reader.read()).value!).toString();
    }
    const cutAt = Date.now();
    abort.abort();
    const [seen] = world.model.requests;
    await until(() => seen!.cutAt !== undefined);
    expect(seen!.cutAt! - cutAt).toBeLessThan(100);

    const [record] = await world.records(1);
    expect(record).toMatchObject({
      errorCode: "interrupted",
      additionalEventData: { clientDisconnected: true, quality: "estimated" },
    });
    const { costNanoUsd, reservation, usage } = record.additionalEventData;
    expect(costNanoUsd).toBeGreaterThan(0);
    expect(costNanoUsd).toBeLessThanOrEqual(reservation.amountNanoUsd);
    expect(usage.output).toBeGreaterThan(0);
    expect(await world.store.ledger.spent("organization", 0)).toMatchObject({
      amount: costNanoUsd,
      calls: 1,
    });
  });

  test("before the upstream's head, over HTTP/1.1 and over h2c", async () => {
    await start({ script: () => ({ faults: [{ kind: "no-answer" }] }) });
    const headers = { authorization: `Bearer ${API_KEY}` };
    const h1 = httpRequest(`${world.base}/v1/responses`, { method: "POST", headers });
    h1.on("error", () => {});
    h1.end(STREAM);
    const session = h2Connect(world.base);
    const h2 = session.request({ ":method": "POST", ":path": "/v1/responses", ...headers });
    h2.on("error", () => {});
    h2.end(STREAM);
    await until(() => world.model.requests.length === 2);
    const cutAt = Date.now();
    h1.destroy();
    h2.close();
    await until(() => world.model.requests.every((seen) => seen.cutAt !== undefined));
    for (const seen of world.model.requests) expect(seen.cutAt! - cutAt).toBeLessThan(100);
    session.close();
    for (const record of await world.records(2)) {
      expect(record).toMatchObject({
        errorCode: "interrupted",
        additionalEventData: { clientDisconnected: true, quality: "estimated" },
      });
      expect(record.additionalEventData.costNanoUsd).toBeGreaterThan(0);
    }
  });

  test("in the middle of its own request: nothing is sent on", async () => {
    await start();
    const headers = { authorization: `Bearer ${API_KEY}`, "content-length": 1_000 };
    const cut = httpRequest(`${world.base}/v1/responses`, { method: "POST", headers });
    cut.on("error", () => {});
    cut.write("{");
    await new Promise((resolve) => setTimeout(resolve, 20));
    cut.destroy();
    expect((await world.records(1))[0].errorCode).toBe("interrupted");
    expect(world.model.requests).toEqual([]);
  });
});

describe("an upstream that dies in the middle of its stream", () => {
  test.each([
    ["its socket breaks between events", { kind: "drop", after: 6 }],
    ["its socket breaks within an event", { kind: "drop", afterBytes: 1_200 }],
    ["it ends cleanly without a last event", { kind: "end", after: 6 }],
  ] as const)("%s: whole events, an error event and a broken connection", async (_, fault) => {
    await start({ script: () => ({ items: [says(TEXT)], chunk: 4, faults: [fault] }) });
    const { text, broken } = await readAll(await post(world, STREAM));
    expect(broken).toBe(true);
    const events = eventsOf(text);
    expect(events.at(-1)).toMatchObject({ type: "response.failed", response: { status: "failed" } });
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
    const [record] = await world.records(1);
    expect(record).toMatchObject({
      errorCode: "stream_interrupted",
      additionalEventData: { quality: "estimated", upstreamStatus: 200 },
    });
    expect(record.additionalEventData.costNanoUsd).toBeGreaterThan(0);
  });

  test("the OpenAI SDK sees the failure and not a clean end", async () => {
    await start({ script: () => ({ items: [says(TEXT)], chunk: 4, faults: [{ kind: "drop", after: 6 }] }) });
    const client = new OpenAI({ baseURL: `${world.base}/v1`, apiKey: API_KEY, maxRetries: 0 });
    const types: string[] = [];
    const read = async () => {
      for await (const event of await client.responses.create({ model: MODEL, input: "x", stream: true })) {
        types.push(event.type);
      }
    };
    await expect(read()).rejects.toThrow();
    expect(types.at(-1)).toBe("response.failed");
  });

  test("over h2c the stream is reset", async () => {
    await start({ script: () => ({ items: [says(TEXT)], faults: [{ kind: "drop", after: 4 }] }) });
    const session = h2Connect(world.base);
    const stream = session.request({
      ":method": "POST",
      ":path": "/v1/responses",
      authorization: `Bearer ${API_KEY}`,
    });
    let text = "";
    stream.on("data", (chunk) => {
      text += chunk;
    });
    stream.end(STREAM);
    const error = await new Promise<Error | undefined>((resolve) => {
      stream.on("error", resolve);
      stream.on("close", () => resolve(undefined));
    });
    expect(error?.message).toContain("NGHTTP2_INTERNAL_ERROR");
    expect(text).toContain("response.failed");
    session.close();
  });

  test("in the middle of a JSON body the connection breaks", async () => {
    await start({ script: () => ({ items: [says(TEXT)], faults: [{ kind: "drop", afterBytes: 100 }] }) });
    const { text, broken } = await readAll(await post(world, request()));
    expect(broken).toBe(true);
    expect(text).not.toContain("response.failed");
    expect((await world.records(1))[0].additionalEventData.quality).toBe("estimated");
  });

  test("before its head: it may have read the call, so it is not asked twice, and paid by estimate", async () => {
    let calls = 0;
    const flaky = createServer((_, response) => {
      calls++;
      response.destroy();
    });
    await new Promise<void>((resolve) => flaky.listen(0, "127.0.0.1", resolve));
    await start({ upstreamUrl: `http://127.0.0.1:${(flaky.address() as AddressInfo).port}/v1` });
    expect((await post(world, STREAM)).status).toBe(502);
    expect(calls).toBe(1);
    const { quality, costNanoUsd } = (await world.records(1))[0].additionalEventData;
    expect(quality).toBe("estimated");
    expect(costNanoUsd).toBeGreaterThan(0);
    flaky.close();
  });

  test("before a byte was sent: one more try", async () => {
    let tries = 0;
    await start({
      deps: ({ upstreams }) => {
        const real = upstreams.get("main")!;
        const send: typeof real.send = (call) =>
          tries++ === 0
            ? Promise.reject(
                new MohoError("upstream_unreachable", "Refused.", { details: { nothingSent: true } }),
              )
            : real.send(call);
        return { upstreams: new Map([["main", { ...real, send }]]) };
      },
    });
    expect((await post(world, request())).status).toBe(200);
    expect(tries).toBe(2);
  });

  test("after it announced how long its stream would be: the error event and the break still come", async () => {
    const event = `event: response.created\ndata: {"type":"response.created","response":{"id":"r"}}\n\n`;
    const announced = createServer((incoming, response) => {
      incoming.resume();
      response.writeHead(200, { "content-type": "text/event-stream", "content-length": event.length + 10 });
      response.write(event, () => response.destroy());
    });
    await new Promise<void>((resolve) => announced.listen(0, "127.0.0.1", resolve));
    await start({ upstreamUrl: `http://127.0.0.1:${(announced.address() as AddressInfo).port}/v1` });
    const response = await post(world, STREAM);
    expect(response.headers.get("content-length")).toBeNull();
    const { text, broken } = await readAll(response);
    expect(broken).toBe(true);
    expect(eventsOf(text).at(-1)?.type).toBe("response.failed");
    announced.close();
  });

  test("after a head with a usage of zero: paid by estimate, not by that zero", async () => {
    const zero = `"usage":{"input_tokens":0,"output_tokens":0,"total_tokens":0}`;
    const body = `event: response.created\ndata: {"type":"response.created","response":{"id":"r",${zero}}}\n\n`;
    const headers = { "content-type": "text/event-stream" };
    await start({ script: () => ({ http: { status: 200, headers, body } }) });
    await readAll(await post(world, STREAM));
    const { quality, costNanoUsd } = (await world.records(1))[0].additionalEventData;
    expect(quality).toBe("estimated");
    expect(costNanoUsd).toBeGreaterThan(0);
  });

  test("with a failure after it worked for a while, without usage: paid by estimate", async () => {
    let now = Date.now();
    const body = `event: response.failed\ndata: {"type":"response.failed","response":{"id":"r","status":"failed","error":{"code":"server_error","message":"No."}}}\n\n`;
    const headers = { "content-type": "text/event-stream" };
    await start({
      script: () => {
        now += 5_000;
        return { http: { status: 200, headers, body } };
      },
      deps: () => ({ clock: () => now }),
    });
    await readAll(await post(world, request({ stream: true, max_output_tokens: 600 })));
    const { quality, usage } = (await world.records(1))[0].additionalEventData;
    expect(quality).toBe("estimated");
    expect(usage.output).toBe(500);
    expect(usage.input).toBeGreaterThan(10);
  });
});

describe("pace", () => {
  test("a client that does not read holds the upstream back; memory does not grow with the stream", async () => {
    let sent = 0;
    const event = `event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"${"x".repeat(16_000)}"}\n\n`;
    const endless = createServer((incoming, response) => {
      incoming.resume();
      response.writeHead(200, { "content-type": "text/event-stream" });
      const more = () => {
        while (!response.destroyed && response.write(event)) sent += event.length;
      };
      response.on("drain", more);
      more();
    });
    await new Promise<void>((resolve) => endless.listen(0, "127.0.0.1", resolve));
    await start({ upstreamUrl: `http://127.0.0.1:${(endless.address() as AddressInfo).port}/v1` });
    const headers = { authorization: `Bearer ${API_KEY}` };
    const client = httpRequest(`${world.base}/v1/responses`, { method: "POST", headers });
    client.end(STREAM);
    const response = await new Promise<IncomingMessage>((resolve) => client.on("response", resolve));
    let before = -1;
    await until(async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const settled = sent === before && sent > 0;
      before = sent;
      return settled;
    });
    // What fits into socket buffers and stream buffers on the way, and no more.
    expect(sent).toBeLessThan(32 * 1024 * 1024);
    response.destroy();
    expect((await world.records(1))[0].errorCode).toBe("interrupted");
    endless.closeAllConnections();
    endless.close();
  });

  test("each event is forwarded when it comes, also when the first is late", async () => {
    await start({ script: () => ({ items: [says(TEXT)], faults: [{ kind: "silence", after: 0 }] }) });
    const early = await post(world, STREAM);
    expect(early.headers.get("content-type")).toBe("text/event-stream");
    await early.body!.cancel();
    await world.records(1);
  });

  test("an event cut into single bytes arrives whole", async () => {
    const raw =
      `event: a\r\ndata: {"n":1}\r\n\r\nevent: response.completed\ndata: {"type":"response.completed","response":` +
      `{"id":"r","status":"completed","usage":{"input_tokens":3,"output_tokens":4}}}\n\n`;
    const trickle = createServer(async (incoming, response) => {
      incoming.resume();
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const character of raw) {
        response.write(character);
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    });
    await new Promise<void>((resolve) => trickle.listen(0, "127.0.0.1", resolve));
    await start({ upstreamUrl: `http://127.0.0.1:${(trickle.address() as AddressInfo).port}/v1` });
    expect(await readAll(await post(world, STREAM))).toEqual({ text: raw, broken: false });
    expect((await world.records(1))[0].additionalEventData.usage).toMatchObject({ input: 3, output: 4 });
    trickle.close();
  });
});

describe("clients that take nothing", () => {
  /** Sends events for as long as they are taken; says which of its answers were given up. */
  const endless = async () => {
    const event = `event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"${"x".repeat(16_000)}"}\n\n`;
    let cut = 0;
    const server = createServer((incoming, response) => {
      incoming.resume();
      response.writeHead(200, { "content-type": "text/event-stream" });
      const more = () => {
        while (!response.destroyed && response.write(event));
      };
      response.on("drain", more).on("close", () => cut++);
      more();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, server, cut: () => cut };
  };

  test("64 streams without a window are cut, settled and recorded", async () => {
    const upstream = await endless();
    await start({ upstreamUrl: upstream.url, settings: { limits: { drainStallMs: 100 } } });
    const session = h2Connect(world.base, { settings: { initialWindowSize: 0 } });
    session.on("error", () => {});
    const headers = { ":method": "POST", ":path": "/v1/responses", authorization: `Bearer ${API_KEY}` };
    for (let i = 0; i < 64; i++) {
      const stream = session.request(headers);
      stream.on("error", () => {});
      stream.end(STREAM);
    }
    for (const record of await world.records(64)) {
      expect(record).toMatchObject({
        errorCode: "interrupted",
        errorMessage: expect.stringContaining("took nothing"),
        additionalEventData: { clientDisconnected: true, quality: "estimated" },
      });
    }
    await until(() => upstream.cut() === 64);
    session.destroy();
    upstream.server.close();
  });

  test("over HTTP/1.1 as well", async () => {
    const upstream = await endless();
    await start({ upstreamUrl: upstream.url, settings: { limits: { drainStallMs: 100 } } });
    const headers = { authorization: `Bearer ${API_KEY}` };
    const client = httpRequest(`${world.base}/v1/responses`, { method: "POST", headers });
    client.on("error", () => {});
    // Whoever listens and reads nothing holds the socket back.
    client.on("response", (response) => response.on("error", () => {}));
    client.end(STREAM);
    expect((await world.records(1))[0].errorMessage).toContain("took nothing");
    await until(() => upstream.cut() === 1);
    client.destroy();
    upstream.server.close();
  });

  test("one who reads slowly is not cut", async () => {
    const pace = { events: 1, everyMs: 20 };
    const text = "y".repeat(400_000);
    await start({
      script: () => ({ items: [says(text)], chunk: 40_000, usage: USAGE, pace }),
      settings: { limits: { drainStallMs: 60 } },
    });
    const { text: read, broken } = await readAll(await post(world, STREAM));
    expect([read.includes("response.completed"), broken]).toEqual([true, false]);
  });

  test("one principal has so many calls at a time, and no more", async () => {
    await start({
      script: () => ({ faults: [{ kind: "no-answer" }] }),
      settings: { limits: { callsPerPrincipal: 2 } },
    });
    let abort = new AbortController();
    const send = () =>
      fetch(`${world.base}/v1/responses`, {
        method: "POST",
        headers: { authorization: `Bearer ${API_KEY}` },
        body: STREAM,
        signal: abort.signal,
      });
    const running = [send(), send()].map((call) => call.catch(() => undefined));
    await until(() => world.model.requests.length === 2);
    const refused = await send();
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
    expect(refused.headers.get("x-moho-error")).toBe("throttled");
    abort.abort();
    await Promise.all(running);
    await world.records(3);
    abort = new AbortController();
    const taken = send().catch(() => undefined);
    await until(() => world.model.requests.length === 3);
    abort.abort();
    await taken;
  });
});

describe("the end of the gateway", () => {
  test("running calls end, new ones are turned away, all are recorded", async () => {
    await start({
      script: () => ({ items: [says(TEXT)], usage: USAGE, faults: [{ kind: "pause", after: 3, ms: 100 }] }),
    });
    const response = await post(world, STREAM);
    const closing = world.gateway.close();
    const { text, broken } = await readAll(response);
    expect([text.includes("response.completed"), broken]).toEqual([true, false]);
    await closing;
    await expect(post(world, STREAM)).rejects.toThrow();
    expect((await world.records(1))[0].additionalEventData.quality).toBe("final");
  });

  test("calls that do not end in time are cut with an error event", async () => {
    await start({
      script: () => ({ items: [says(TEXT)], faults: [{ kind: "silence", after: 3 }] }),
      settings: { limits: { drainMs: 50 } },
    });
    const response = await post(world, STREAM);
    const closing = world.gateway.close();
    const { text, broken } = await readAll(response);
    expect(broken).toBe(true);
    expect(eventsOf(text).at(-1)).toMatchObject({
      type: "response.failed",
      response: { error: { message: expect.stringContaining("The gateway is stopping.") } },
    });
    await closing;
    const [record] = await world.records(1);
    expect(record.additionalEventData).toMatchObject({ quality: "estimated", upstreamStatus: 200 });
    expect(record.additionalEventData.clientDisconnected).toBeUndefined();
  });

  test("idle connections do not hold it up", async () => {
    await start();
    const session = h2Connect(world.base);
    await new Promise((resolve) => session.on("remoteSettings", resolve));
    await new Promise((resolve) =>
      get(`${world.base}/healthz`, { headers: { connection: "keep-alive" } }, resolve),
    );
    await world.gateway.close();
    session.destroy();
  });
});
