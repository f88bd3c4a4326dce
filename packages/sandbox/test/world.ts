/** A workspace, a user's home with credentials, and an environment over them, on the real kernel. */

import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { createEnvironment, type EnvironmentOptions, type SandboxPolicy } from "../src/index.ts";
import type { CommandSpec } from "../src/ports.ts";

export interface Outcome {
  output: string;
  code: number | null;
  signal: string | null;
  error?: string;
}

export interface WorldOptions extends Partial<Omit<EnvironmentOptions, "policy">> {
  policy?: Partial<SandboxPolicy>;
  /** Owner of the workspace, for commands of an unprivileged user. */
  uid?: number;
  /** Runs before the environment exists. */
  prepare?(place: Place): void;
}

export interface Place {
  /** Everything lies below this; not under a temporary directory that policies open. */
  base: string;
  root: string;
  /** The user's home, with `.aws/credentials` and `.ssh/id_test`; both unreadable by policy. */
  user: string;
  moho: string;
}

export const SECRET = "canary-a1b2c3d4e5f6";

export function makeWorld(options: WorldOptions = {}) {
  const base = realpathSync(mkdtempSync("/var/tmp/moho-sandbox-"));
  const place: Place = { base, root: join(base, "root"), user: join(base, "user"), moho: join(base, "moho") };
  onTestFinished(() => rmSync(base, { recursive: true, force: true }));
  for (const directory of [place.root, join(place.user, ".aws"), join(place.user, ".ssh"), place.moho]) {
    mkdirSync(directory, { recursive: true });
  }
  writeFileSync(join(place.user, ".aws/credentials"), SECRET);
  writeFileSync(join(place.user, ".ssh/id_test"), SECRET);
  options.prepare?.(place);
  if (options.uid !== undefined) spawnSync("chown", ["-R", String(options.uid), base]);
  const { policy: changes, uid, prepare, ...rest } = options;
  const environment = createEnvironment({
    home: place.moho,
    tmp: [],
    ...rest,
    policy: {
      mode: "workspace-write",
      roots: [place.root],
      network: false,
      protectedNames: [".git", ".codex", ".agents", ".aws"],
      unreadable: [join(place.user, ".aws"), join(place.user, ".ssh"), place.moho],
      tmpWritable: false,
      ...changes,
    },
  });
  onTestFinished(() => environment.close());

  const start = (script: string, more: Partial<CommandSpec> = {}) =>
    environment.start({
      argv: ["/bin/bash", "-c", script],
      cwd: place.root,
      env: { PATH: `/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`, HOME: place.user, LC_ALL: "C" },
      input: "empty",
      ...more,
    });
  const sh = async (script: string, more: Partial<CommandSpec> = {}): Promise<Outcome> => {
    const running = await start(script, more);
    let output = "";
    running.onOutput((chunk) => {
      output += chunk.toString("utf8");
    });
    const end = await running.exited;
    return { output, ...end };
  };
  return { ...place, environment, start, sh };
}

export type World = ReturnType<typeof makeWorld>;

/** Fails with the line that says what to install: these tests prove nothing without the real sandbox. */
export async function requireBubblewrap(): Promise<void> {
  const home = mkdtempSync("/var/tmp/moho-probe-");
  const policy: SandboxPolicy = {
    mode: "workspace-write",
    roots: [],
    network: false,
    protectedNames: [],
    unreadable: [],
    tmpWritable: false,
  };
  const environment = createEnvironment({ policy, home });
  const { layer, notes } = await environment.report();
  await environment.close();
  rmSync(home, { recursive: true });
  if (layer !== "bubblewrap") throw new Error(`The sandbox tests need bubblewrap: ${notes[0]}`);
}

/** Waits until `check` holds; the test's own time limit ends it. */
export async function until(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((next) => setTimeout(next, 5));
}

/** How many processes of this machine have `text` in their command line; below `parent` only, if given. */
export function processes(text: string, parent?: number): number {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && matches(name, text, parent)).length;
}

function matches(pid: string, text: string, parent: number | undefined): boolean {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, "latin1");
    const above =
      parent === undefined ||
      readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ")[1] === String(parent);
    return line.includes(text) && above;
  } catch {
    return false;
  }
}
