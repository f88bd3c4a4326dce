/**
 * The governed floor of a gateway: bare node:http and undici that read and hash the body, do the arithmetic of
 * SigV4 (the key is derived for each request), pass the answer on, parse each event, and format an audit line.
 * No policy, no money, no disk.
 */

import { createHash, createHmac } from "node:crypto";
import { createServer } from "node:http";
import { Pool } from "undici";

const pool = new Pool(process.argv[2], { connections: 128 });
const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const audit = [];

function signature(request, bodyHash) {
  const authorization = request.headers.authorization ?? "";
  const signed = /SignedHeaders=([^,]+)/.exec(authorization)?.[1].split(";") ?? [];
  const headers = signed.map((name) => `${name}:${request.headers[name]}\n`).join("");
  const canonical = `POST\n${request.url}\n\n${headers}\n${signed.join(";")}\n${bodyHash}`;
  const scope = /Credential=[^/]+\/([^,]+)/.exec(authorization)?.[1] ?? "a/b/c/d";
  const [day, region, service, end] = scope.split("/");
  const toSign = `AWS4-HMAC-SHA256\n${request.headers["x-amz-date"]}\n${scope}\n${sha256(canonical)}`;
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), service), end);
  return hmac(key, toSign).toString("hex");
}

function record(request, events, usage) {
  const line = JSON.stringify({
    eventVersion: "1.11",
    eventTime: new Date().toISOString(),
    eventName: "CreateInference",
    sourceIPAddress: request.socket.remoteAddress,
    userAgent: request.headers["user-agent"],
    additionalEventData: { events, usage },
  });
  audit.push(line);
  if (audit.length > 100) audit.length = 0;
}

const server = createServer((request, answer) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", async () => {
    const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    if (!request.headers.authorization?.includes(signature(request, sha256(body)))) {
      answer.writeHead(403).end();
      return;
    }
    const upstream = await pool.request({
      method: "POST",
      path: request.url,
      headers: { "content-type": "application/json" },
      body,
    });
    const type = upstream.headers["content-type"];
    answer.writeHead(upstream.statusCode, { "content-type": type });
    let rest = "";
    let events = 0;
    let usage;
    const stream = type === "text/event-stream";
    upstream.body.on("data", (chunk) => {
      answer.write(chunk);
      rest += chunk.toString();
      if (!stream) return;
      const blocks = rest.split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = JSON.parse(block.slice(block.indexOf("data: ") + 6));
        events += 1;
        if (event.type === "response.completed") usage = event.response.usage;
      }
    });
    upstream.body.on("end", () => {
      answer.end();
      if (!stream) usage = JSON.parse(rest).usage;
      record(request, events, usage);
    });
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }));
process.on("disconnect", () => process.exit());
