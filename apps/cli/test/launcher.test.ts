/** The launcher under an old Node: it becomes the newer one beside the checkout, or says what is missing. */

import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withTempHome } from "@moho/testkit";
import { expect, test } from "vitest";
import { until } from "./harness.ts";

const LAUNCHER = new URL("../bin/moho.cjs", import.meta.url).pathname;

/** A checkout with the launcher, a link to it from elsewhere, and a process that takes itself for Node 18. */
function checkout(home: string) {
  const bin = join(home, "checkout/apps/cli/bin");
  mkdirSync(bin, { recursive: true });
  mkdirSync(join(home, "checkout/node_modules/.bin"), { recursive: true });
  copyFileSync(LAUNCHER, join(bin, "moho.cjs"));
  const old = join(home, "old.cjs");
  writeFileSync(
    old,
    `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "18.0.0" } });`,
  );
  const link = join(home, "moho");
  symlinkSync(join(bin, "moho.cjs"), link);
  return { node: join(home, "checkout/node_modules/.bin/node"), args: ["-r", old, link] };
}

test("becomes the newer Node: same words, streams and exit code", async () => {
  await withTempHome(async (home) => {
    const { node, args } = checkout(home.path);
    writeFileSync(node, '#!/bin/sh\nshift\necho "new: $*"\ncat\nexit 7\n', { mode: 0o755 });
    const ended = spawnSync(process.execPath, [...args, "exec", "two words"], {
      encoding: "utf8",
      input: "in\n",
    });
    expect(ended).toMatchObject({ status: 7, stdout: "new: exec two words\nin\n", stderr: "" });
  });
});

test("hands a signal on, and ends by the signal that ended the newer one", async () => {
  await withTempHome(async (home) => {
    const { node, args } = checkout(home.path);
    writeFileSync(
      node,
      "#!/bin/sh\ntrap 'echo told; trap - TERM; kill -TERM $$' TERM\necho up\nfor i in $(seq 100); do sleep 0.05; done\n",
      {
        mode: 0o755,
      },
    );
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
    });
    const ended = new Promise((resolve) => child.on("close", (code, signal) => resolve({ code, signal })));
    await until(() => text.includes("up"));
    child.kill("SIGTERM");
    expect(await ended).toEqual({ code: null, signal: "SIGTERM" });
    expect(text).toContain("told");
  });
});

test("without a newer one, or with only itself beside it: one clear line, exit 2", async () => {
  await withTempHome(async (home) => {
    const { node, args } = checkout(home.path);
    const alone = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect(alone.status).toBe(2);
    expect(alone.stderr).toMatch(/^moho needs Node 22\.13 or newer; this is Node 18\.0\.0 \(.*\)\.\n$/);
    symlinkSync(process.execPath, node);
    expect(spawnSync(process.execPath, args, { encoding: "utf8" })).toMatchObject({ status: 2 });
  });
});
