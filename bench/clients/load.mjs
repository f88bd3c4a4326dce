/**
 * A load of signed requests from its own process: argv[2] is JSON {url, callers, requests, model, bytes, key}.
 * Signs every request (so that replay protection may be on), checks every answer, reports latencies over IPC.
 */

import { createHash, createHmac } from "node:crypto";
import { Agent, request } from "node:http";

const job = JSON.parse(process.argv[2]);
const agent = new Agent({ keepAlive: true, maxSockets: job.callers });
const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const stream = job.model === "paced" || job.model === "burst";
const body = Buffer.from(
  JSON.stringify({ model: job.model, stream, max_output_tokens: 64, input: "x".repeat(job.bytes ?? 200) }),
);
const bodyHash = sha256(body);
const target = new URL(job.url);
const keys = new Map();

function signingKey(day) {
  const known = keys.get(day);
  if (known) return known;
  const key = ["us-east-1", "bedrock-mantle", "aws4_request"].reduce(
    hmac,
    hmac(`AWS4${job.key.secret}`, day),
  );
  keys.clear();
  keys.set(day, key);
  return key;
}

function headers(path) {
  const date = new Date().toISOString().replace(/[-:]|\.\d{3}/g, "");
  const day = date.slice(0, 8);
  const scope = `${day}/us-east-1/bedrock-mantle/aws4_request`;
  const names = "content-type;host;x-amz-date";
  const canonical = `POST\n${path}\n\ncontent-type:application/json\nhost:${target.host}\nx-amz-date:${date}\n\n${names}\n${bodyHash}`;
  const signature = hmac(
    signingKey(day),
    `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256(canonical)}`,
  ).toString("hex");
  return {
    "content-type": "application/json",
    "content-length": body.length,
    "x-amz-date": date,
    authorization: `AWS4-HMAC-SHA256 Credential=${job.key.id}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
  };
}

function call() {
  return new Promise((resolve, reject) => {
    const began = process.hrtime.bigint();
    const options = { agent, method: "POST", headers: headers("/v1/responses") };
    const sent = request(`${job.url}/v1/responses`, options, (answer) => {
      let first;
      let tail = "";
      answer.on("data", (chunk) => {
        first ??= process.hrtime.bigint();
        tail = chunk.toString("latin1");
      });
      answer.on("end", () => {
        if (answer.statusCode !== 200) reject(new Error(`${answer.statusCode}: ${tail}`));
        else resolve([Number(process.hrtime.bigint() - began) / 1e6, Number(first - began) / 1e6]);
      });
      answer.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const totals = [];
const firsts = [];
let left = job.requests;
async function caller() {
  while (left-- > 0) {
    const [total, first] = await call();
    totals.push(total);
    firsts.push(first);
  }
}
const began = performance.now();
await Promise.all(Array.from({ length: job.callers }, caller));
const wall = performance.now() - began;
const at = (values, q) =>
  values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))];
process.send({
  wall,
  p50: at(totals, 0.5),
  p99: at(totals, 0.99),
  first50: at(firsts, 0.5),
  requests: totals.length,
});
agent.destroy();
process.disconnect();
