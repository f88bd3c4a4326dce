/**
 * `npm test [-- VITEST ARGS]`: installs the system packages that tests need where it may (root on Debian),
 * else names them in one line; then runs every test. `npm run test:codex` runs the stock Codex suite.
 */

import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";

const root = new URL("../", import.meta.url).pathname;

/** Command on the PATH → Debian package that brings it. */
const NEEDED: Record<string, string> = {
  bwrap: "bubblewrap",
  git: "git",
  script: "bsdutils",
  python3: "python3",
};

function onPath(command: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function installMissing(): boolean {
  if (process.platform !== "linux") return true;
  const missing = Object.keys(NEEDED).filter((command) => !onPath(command));
  if (missing.length === 0) return true;
  const packages = missing.map((command) => NEEDED[command]!);
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
    console.error(`Tests need ${packages.join(", ")}: sudo apt-get install -y ${packages.join(" ")}`);
    return false;
  }
  console.log(`installing ${packages.join(", ")} …`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = () =>
    spawnSync("apt-get", ["install", "-y", "-qq", ...packages], { env, encoding: "utf8" });
  let done = install();
  if (done.status !== 0) {
    spawnSync("apt-get", ["update", "-qq"], { env });
    done = install();
  }
  if (done.status !== 0) console.error(`apt-get install ${packages.join(" ")} failed:\n${done.stderr}`);
  return done.status === 0;
}

/** The stock Codex is 400 MB: it lives beside the workspace's modules, installed on first use. */
function installCodex(): boolean {
  const folder = join(root, "node_modules/.cache/codex");
  if (existsSync(join(folder, "node_modules/.bin/codex"))) return true;
  console.log("installing @openai/codex …");
  const args = ["install", "--prefix", folder, "--no-save", "--no-workspaces", "@openai/codex@0.169.0"];
  return spawnSync("npm", args, { stdio: "inherit" }).status === 0;
}

function vitest(args: string[]): number {
  const done = spawnSync(process.execPath, [join(root, "node_modules/vitest/vitest.mjs"), "run", ...args], {
    cwd: root,
    stdio: "inherit",
  });
  return done.status ?? 1;
}

const [suite, ...rest] = process.argv.slice(2);
const ready = installMissing() && (suite !== "codex" || installCodex());
if (!ready) process.exitCode = 1;
else if (suite === "codex") process.exitCode = vitest(["--config", "test/codex/vitest.config.ts", ...rest]);
else process.exitCode = vitest(process.argv.slice(2));
