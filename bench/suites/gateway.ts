/** The gateway with everything on, against the governed floor, over the same upstream and the same load. */

import { type ChildProcess, fork, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median, now, schedCpu, startServer, treeRss } from "../measure.ts";
import type { Row } from "../report.ts";

const MOHO = new URL("../../apps/cli/bin/moho.cjs", import.meta.url).pathname;
const KEY = { id: "AKIABENCHBENCHBENCH1", secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };

interface Load {
  callers: number;
  requests: number;
  model: string;
  bytes?: number;
}
interface Answered {
  wall: number;
  p50: number;
  p99: number;
  first50: number;
  requests: number;
}
interface Target {
  url: string;
  pid: number;
  /** Milliseconds from spawn until it said it was ready. */
  ready: number;
  close(): Promise<void>;
}

async function load(url: string, job: Load): Promise<Answered> {
  const script = new URL("../clients/load.mjs", import.meta.url);
  const child = fork(script, [JSON.stringify({ url, key: KEY, ...job })], { env: {} });
  return new Promise((resolve, reject) => {
    child.once("message", (message) => resolve(message as Answered));
    child.once("exit", (code) => code && reject(new Error(`the load ended with ${code}`)));
  });
}

/** A whole load against one target: CPU of the target's process per request, and what callers saw. */
async function measure(target: Target, job: Load): Promise<Answered & { cpu: number }> {
  const before = schedCpu(target.pid);
  const answered = await load(target.url, job);
  return { ...answered, cpu: (schedCpu(target.pid) - before) / answered.requests };
}

async function startGateway(upstream: string): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), "moho-bench-"));
  const began = now();
  const args = [
    MOHO,
    "gateway",
    "--dev",
    "--listen",
    "127.0.0.1:0",
    "--upstream",
    `openai-compatible=${upstream}/v1`,
  ];
  const child: ChildProcess = spawn(process.execPath, [...args, "--database", join(folder, "gateway.db")], {
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: folder,
      MOHO_HOME: folder,
      MOHO_DEV_ACCESS_KEY_ID: KEY.id,
      MOHO_DEV_SECRET_ACCESS_KEY: KEY.secret,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const url = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout!.on("data", (chunk) => {
      text += chunk;
      const found = /http:\/\/[\d.]+:\d+/.exec(text);
      if (found && text.includes("\n")) resolve(found[0]);
    });
    child.once("exit", (code) => reject(new Error(`the gateway ended with ${code}: ${text}`)));
  });
  return {
    url,
    pid: child.pid!,
    ready: now() - began,
    close: async () => {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill();
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startFloor(upstream: string): Promise<Target> {
  const server = await startServer("floors/proxy.mjs", [upstream]);
  return { url: server.url, pid: server.child.pid!, ready: 0, close: async () => server.close() };
}

async function against(ours: Target, floor: Target, job: Load, rounds: number) {
  const mine: (Answered & { cpu: number })[] = [];
  const theirs: (Answered & { cpu: number })[] = [];
  for (let round = -1; round < rounds; round++) {
    const a = await measure(ours, job);
    const b = await measure(floor, job);
    if (round < 0) continue;
    mine.push(a);
    theirs.push(b);
  }
  return { mine, theirs };
}

const events = { paced: 42, burst: 502 };

export async function suite(rounds: number): Promise<Row[]> {
  const upstream = await startServer("servers/upstream.mjs", []);
  const rows: Row[] = [await startRow(upstream.url, rounds), ...(await memoryRows(upstream.url))];
  const ours = await startGateway(upstream.url);
  const floor = await startFloor(upstream.url);
  try {
    rows.push(...(await ratioRows(ours, floor, rounds)));
    rows.push(await addedRow(ours, upstream.url, rounds));
  } finally {
    await ours.close();
    await floor.close();
    upstream.close();
  }
  return rows;
}

async function startRow(upstream: string, rounds: number): Promise<Row> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const began = now();
    const gateway = await startGateway(upstream);
    await fetch(`${gateway.url}/healthz`);
    times.push(now() - began);
    await gateway.close();
  }
  return { name: "gateway: start to first answer", unit: "ms", ours: median(times), most: 420 };
}

async function ratioRows(ours: Target, floor: Target, rounds: number): Promise<Row[]> {
  const row = async (name: string, job: Load, per: number, most: number): Promise<Row> => {
    const { mine, theirs } = await against(ours, floor, job, rounds);
    const us = (all: { cpu: number }[]) => (median(all.map((one) => one.cpu)) * 1000) / per;
    return { name, unit: "µs CPU", ours: us(mine), floor: us(theirs), most };
  };
  return [
    await row("small request, 32 callers", { callers: 32, requests: 4000, model: "small" }, 1, 1.5),
    await row(
      "200 kB body, 4 callers",
      { callers: 4, requests: 400, model: "small", bytes: 200_000 },
      1,
      1.1,
    ),
    await row(
      "paced stream event, 32 streams",
      { callers: 32, requests: 160, model: "paced" },
      events.paced,
      1.1,
    ),
    await row(
      "event of a fast stream, 4 streams",
      { callers: 4, requests: 200, model: "burst" },
      events.burst,
      1.1,
    ),
  ];
}

async function addedRow(ours: Target, upstream: string, rounds: number): Promise<Row> {
  const job = { callers: 1, requests: 1000, model: "small" };
  const added: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const direct = await load(upstream, job);
    const through = await load(ours.url, job);
    if (round >= 0) added.push(through.p50 - direct.p50);
  }
  return { name: "added p50, one caller", unit: "ms", ours: median(added), most: 0.65 };
}

/** On a gateway of their own, so that the loads of other rows do not count. */
async function memoryRows(upstream: string): Promise<Row[]> {
  const ours = await startGateway(upstream);
  const job = { callers: 32, model: "small" };
  await load(ours.url, { callers: 1, requests: 1, model: "small" });
  const first = treeRss(ours.pid);
  await load(ours.url, { ...job, requests: 20_000 });
  const after20k = treeRss(ours.pid);
  await load(ours.url, { ...job, requests: 80_000 });
  const after100k = treeRss(ours.pid);
  await ours.close();
  return [
    { name: "memory after the first answer", unit: "MiB", ours: first, most: 80 },
    { name: "memory after 20,000 requests", unit: "MiB", ours: after20k, most: 140 },
    { name: "memory after 100,000 against 20,000", unit: "MiB", ours: after100k, floor: after20k, most: 1.1 },
  ];
}
