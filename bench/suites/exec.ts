/** `moho exec` against a bare Node script doing the same streamed turns with `node:http`. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median, type Run, run, type Server, startServer } from "../measure.ts";
import type { Row } from "../report.ts";

const MOHO = new URL("../../apps/cli/bin/moho.cjs", import.meta.url).pathname;
const FLOOR = new URL("../floors/turn.mjs", import.meta.url).pathname;

interface Mark {
  arrived: number;
  left: number;
  bytes: number;
  repeats: boolean;
}
interface Sample {
  run: Run;
  marks: Mark[];
}

/** A fresh home and a small repository: what a developer has. */
function workplace(): { home: string; repo: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "moho-bench-"));
  const home = join(folder, "home");
  const repo = join(folder, "repo");
  execFileSync("git", ["init", "-q", repo]);
  writeFileSync(join(repo, "readme.txt"), "hello\n");
  return { home, repo, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

function mohoArguments(url: string, sandbox: string): string[] {
  const flags = [
    `model_provider="amazon-bedrock"`,
    `model_providers.amazon-bedrock.base_url="${url}"`,
    `model_providers.amazon-bedrock.aws.region="us-east-1"`,
  ].flatMap((setting) => ["-c", setting]);
  return [process.execPath, MOHO, "exec", ...flags, "-m", "openai.gpt-oss-120b", "-s", sandbox, "do it"];
}

async function marksOf(server: Server): Promise<Mark[]> {
  return (await (await fetch(`${server.url}/marks`)).json()) as Mark[];
}

async function pairs(
  scenario: object,
  rounds: number,
  options: { memory?: boolean; cpu?: boolean; sandbox?: string } = {},
): Promise<{ ours: Sample[]; floor: Sample[] }> {
  const server = await startServer("servers/model.mjs", [JSON.stringify(scenario)]);
  const place = workplace();
  const env = { HOME: place.home, MOHO_HOME: join(place.home, ".moho"), AWS_BEARER_TOKEN_BEDROCK: "bench" };
  const ours: Sample[] = [];
  const floor: Sample[] = [];
  try {
    let promptBytes = 8000;
    for (let round = -1; round < rounds; round++) {
      const argv = mohoArguments(server.url, options.sandbox ?? "danger-full-access");
      const mine = {
        run: await run(argv, { ...options, env, cwd: place.repo }),
        marks: await marksOf(server),
      };
      promptBytes = mine.marks[0]!.bytes;
      const bare = [process.execPath, FLOOR, server.url, "bench", String(promptBytes)];
      const theirs = {
        run: await run(bare, { ...options, env, cwd: place.repo }),
        marks: await marksOf(server),
      };
      if (round < 0) continue;
      ours.push(mine);
      floor.push(theirs);
    }
  } finally {
    server.close();
    place.remove();
  }
  return { ours, floor };
}

/** Milliseconds from the last byte of an answer to the last byte of the next request. */
function gaps(sample: Sample, from = 0, to = sample.marks.length - 1): number {
  const values: number[] = [];
  for (let i = from; i < to; i++) values.push(sample.marks[i + 1]!.arrived - sample.marks[i]!.left);
  return median(values);
}

const both = (pair: { ours: Sample[]; floor: Sample[] }, of: (sample: Sample) => number) => ({
  ours: median(pair.ours.map(of)),
  floor: median(pair.floor.map(of)),
});

export async function suite(rounds: number): Promise<Row[]> {
  const rows: Row[] = [];
  const one = await pairs({}, rounds);
  rows.push({
    name: "exec: start to first request",
    unit: "ms",
    ...both(one, (s) => s.marks[0]!.arrived - s.run.began),
    most: 2.0,
  });
  rows.push({ name: "exec: whole one-turn process", unit: "ms", ...both(one, (s) => s.run.wall), most: 2.2 });
  rows.push({ name: "exec: first request", unit: "bytes", ours: one.ours[0]!.marks[0]!.bytes, most: 9216 });
  const memory = await pairs({}, Math.min(rounds, 3), { memory: true });
  rows.push({
    name: "exec: peak memory of the tree",
    unit: "MiB",
    ours: both(memory, (s) => s.run.rss).ours,
    most: 100,
  });
  rows.push(await versionRow(rounds));

  const thirty = await pairs({ turns: 30, command: "echo hi" }, rounds);
  rows.push({ name: "exec: between turns, 30 turns", unit: "ms", ...both(thirty, (s) => gaps(s)), most: 2 });
  const marks = thirty.ours.flatMap((sample) => sample.marks);
  rows.push({
    name: "exec: requests that do not repeat the one before",
    unit: `of ${marks.length}`,
    ours: marks.filter((mark) => !mark.repeats).length,
    most: 0,
  });
  const boxed = await pairs({ turns: 30, command: "echo hi" }, rounds, { sandbox: "workspace-write" });
  rows.push({
    name: "exec: between turns, sandbox on",
    unit: "ms",
    ours: both(boxed, (s) => gaps(s)).ours,
    most: 20,
  });
  const long = await pairs(
    { turns: 200, command: "head -c 4096 /dev/zero | tr '\\0' x" },
    Math.min(rounds, 3),
  );
  rows.push({
    name: "exec: turn 190 against turn 10, 4 kB outputs",
    unit: "ms",
    ours: median(long.ours.map((s) => gaps(s, 180, 199))),
    floor: median(long.ours.map((s) => gaps(s, 5, 24))),
    most: 1.3,
  });
  const deltas = await pairs({ deltas: 20_000 }, rounds, { cpu: true });
  rows.push({
    name: "exec: 20,000 text deltas, CPU",
    unit: "ms",
    ...both(deltas, (s) => s.run.cpu),
    most: 2,
  });
  return rows;
}

async function versionRow(rounds: number): Promise<Row> {
  const ours: number[] = [];
  const floor: number[] = [];
  for (let round = 0; round < rounds * 3; round++) {
    ours.push((await run([process.execPath, MOHO, "--version"])).wall);
    floor.push((await run([process.execPath, "-e", "0"])).wall);
  }
  return { name: "moho --version", unit: "ms", ours: median(ours), floor: median(floor), most: 1.6 };
}
