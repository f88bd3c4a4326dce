/** One suite for both transports, over real sockets: answers, clocks, breaks, aborts, back-pressure, keep-alive. */

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer } from "node:net";
import { refusingUrl } from "@moho/testkit";
import { afterEach, describe, expect, test } from "vitest";
import {
  createNodeTransport,
  createUndiciTransport,
  type HttpRequest,
  type Transport,
} from "../src/index.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ url: string; server: Server }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

function request(url: string, more: Partial<HttpRequest> = {}): HttpRequest {
  return {
    method: "POST",
    url: new URL(url),
    headers: { "content-type": "text/plain" },
    body: "hello",
    ...more,
  };
}

async function text(body: AsyncIterable<Buffer>): Promise<string> {
  let all = "";
  for await (const chunk of body) all += chunk.toString("utf8");
  return all;
}

const CLOCKS = { connect: 2_000, firstByte: 5_000, idle: 5_000 };

describe.each([
  ["node:http", (): Transport & { close(): unknown } => createNodeTransport()],
  ["undici", (): Transport & { close(): unknown } => createUndiciTransport()],
] as const)("%s", (_name, create) => {
  const open = (): Transport => {
    const transport = create();
    cleanups.push(() => void transport.close());
    return transport;
  };

  test("sends method, path, headers and body as they are, and hands on status and headers", async () => {
    const { url } = await serve(async (incoming, response) => {
      const body = await text(incoming);
      response.writeHead(418, { "x-request-id": "req_1", "set-cookie": ["a=1", "b=2"] });
      response.end(
        JSON.stringify([
          incoming.method,
          incoming.url,
          incoming.headers["x-a"],
          incoming.headers["content-length"],
          body,
        ]),
      );
    });
    const answer = await open()(
      request(`${url}/a%2Fb?c=d`, { headers: { "x-a": "1" }, body: Buffer.from("größe") }),
    );
    expect([answer.status, answer.headers["x-request-id"], answer.headers["set-cookie"]]).toEqual([
      418,
      "req_1",
      "a=1, b=2",
    ]);
    expect(JSON.parse(await text(answer.body))).toEqual(["POST", "/a%2Fb?c=d", "1", "7", "größe"]);
  });

  test("a redirect is an answer and is not followed", async () => {
    const { url } = await serve((_incoming, response) =>
      response.writeHead(307, { location: "/other" }).end(),
    );
    const answer = await open()(request(url));
    expect([answer.status, answer.headers["location"]]).toEqual([307, "/other"]);
    answer.body.resume();
  });

  test("a connection is used again", async () => {
    let connections = 0;
    const { url, server } = await serve((_incoming, response) => response.end("ok"));
    server.on("connection", () => connections++);
    const send = open();
    for (let i = 0; i < 3; i++) {
      expect(await text((await send(request(url))).body)).toBe("ok");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(connections).toBe(1);
  });

  test("refused connections and unknown hosts are `upstream_unreachable` with the host named", async () => {
    const url = await refusingUrl();
    await expect(open()(request(url))).rejects.toMatchObject({
      code: "upstream_unreachable",
      message: expect.stringContaining(new URL(url).host),
    });
    await expect(open()(request("http://no-such-host.invalid/"))).rejects.toMatchObject({
      code: "upstream_unreachable",
    });
  });

  test("a connection that breaks once the request may have been read is not marked as safe to send again", async () => {
    const { url } = await serve((_incoming, response) => response.destroy());
    const failure = await open()(request(url)).catch((error: { details?: object }) => error);
    expect(failure).toMatchObject({ code: "upstream_unreachable" });
    expect((failure as { details?: object }).details ?? {}).not.toHaveProperty("nothingSent");
  });

  test("the first-byte clock names itself", async () => {
    const { url } = await serve(() => {});
    const sent = open()(request(url, { clocks: { ...CLOCKS, firstByte: 60 } }));
    await expect(sent).rejects.toMatchObject({
      code: "upstream_timeout",
      message: expect.stringContaining("within 0.06 s (the first-byte clock)"),
    });
  });

  test("the idle clock names itself, and bytes wind it up again", async () => {
    const { url } = await serve((_incoming, response) => {
      let sent = 0;
      const timer = setInterval(() => {
        response.write("x");
        if (++sent === 6) clearInterval(timer);
      }, 40);
    });
    const answer = await open()(request(url, { clocks: { ...CLOCKS, idle: 150 } }));
    let seen = "";
    const read = async (): Promise<void> => {
      for await (const chunk of answer.body) seen += chunk;
    };
    await expect(read()).rejects.toMatchObject({
      code: "upstream_timeout",
      message: expect.stringContaining("(the idle clock)"),
    });
    expect(seen).toBe("xxxxxx");
  });

  test("a slow reader is not the server's silence", async () => {
    const { url } = await serve((_incoming, response) => response.end("x".repeat(300_000)));
    const answer = await open()(request(url, { clocks: { ...CLOCKS, idle: 60 } }));
    await once(answer.body, "readable");
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect((await text(answer.body)).length).toBe(300_000);
  });

  test("a reader that waits holds the sender back", async () => {
    let written = 0;
    const { url } = await serve((_incoming, response) => {
      const chunk = Buffer.alloc(256 * 1024);
      const pump = (): void => {
        while (written < 64 * 1024 * 1024) {
          written += chunk.length;
          if (!response.write(chunk)) {
            response.once("drain", pump);
            return;
          }
        }
        response.end();
      };
      pump();
    });
    const answer = await open()(request(url));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(written).toBeLessThan(32 * 1024 * 1024);
    answer.body.destroy();
  });

  test("a connection that breaks in the body is an error of the body, never its end", async () => {
    const { url } = await serve((_incoming, response) => {
      response.write("half");
      setTimeout(() => response.destroy(), 20);
    });
    const answer = await open()(request(url));
    await expect(text(answer.body)).rejects.toThrow();
  });

  test("a server that hangs up before it answers is unreachable", async () => {
    const server = createTcpServer((socket) => socket.on("data", () => socket.destroy()));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    cleanups.push(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await expect(open()(request(url))).rejects.toMatchObject({ code: "upstream_unreachable" });
  });

  test("abort before, while waiting, and in the body: the server sees the connection go", async () => {
    let closed = 0;
    const { url } = await serve((incoming, response) => {
      response.on("close", () => closed++);
      if (incoming.url === "/body") response.write("x");
    });
    const send = open();
    const before = send(request(url, { signal: AbortSignal.abort() }));
    await expect(before).rejects.toMatchObject({ code: "interrupted" });

    const waiting = new AbortController();
    const sent = send(request(url, { signal: waiting.signal }));
    setTimeout(() => waiting.abort(), 30);
    await expect(sent).rejects.toMatchObject({ code: "interrupted" });

    const reading = new AbortController();
    const answer = await send(request(`${url}/body`, { signal: reading.signal }));
    setTimeout(() => reading.abort(), 30);
    await expect(text(answer.body)).rejects.toMatchObject({ code: "interrupted" });
    await expect.poll(() => closed).toBe(2);
  });

  test("a body that is destroyed closes the connection", async () => {
    let closed = false;
    const { url } = await serve((_incoming, response) => {
      response.on("close", () => {
        closed = true;
      });
      response.write("x");
    });
    const answer = await open()(request(url));
    await once(answer.body, "readable");
    answer.body.destroy();
    await expect.poll(() => closed).toBe(true);
  });
});

test("the connect clock covers the TLS handshake and names itself", async () => {
  const server = createTcpServer((socket) => socket.on("error", () => {}));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => server.close());
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const expected = { code: "upstream_timeout", message: expect.stringContaining("(the connect clock)") };
  const node = createNodeTransport();
  await expect(node(request(url, { clocks: { ...CLOCKS, connect: 100 } }))).rejects.toMatchObject(expected);
  const undici = createUndiciTransport({ connect: 100 });
  await expect(undici(request(url))).rejects.toMatchObject(expected);
});

test("undici marks a call of which nothing was sent", async () => {
  const transport = createUndiciTransport();
  cleanups.push(() => transport.close());
  const url = await refusingUrl();
  await expect(transport(request(url))).rejects.toMatchObject({ details: { nothingSent: true } });
});
