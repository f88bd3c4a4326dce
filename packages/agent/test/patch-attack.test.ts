/** Attempts to write outside, to hang, and to slip something past the reader. */

import { execFileSync } from "node:child_process";
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { MohoError } from "@moho/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { applyPatch, diskFiles, isPatchCommand, type PatchFiles, parsePatch } from "../src/patch/index.ts";
import { random } from "./patch-random.ts";
import { inside, newFolder, treeOf } from "./patch-tree.ts";

let root = "";
let outside = "";
beforeEach(() => {
  root = newFolder();
  outside = join(dirname(root), "outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "secret"), "secret\n");
});
afterEach(() => rmSync(dirname(root), { recursive: true, force: true }));

const apply = (text: string, files?: PatchFiles) =>
  applyPatch(text, files ? { root, canWrite: inside(root), files } : { root, canWrite: inside(root) });
const update = (path: string) => `*** Update File: ${path}\n@@\n-secret\n+changed\n`;
const add = (path: string) => `*** Add File: ${path}\n+x\n`;

async function refused(text: string, files?: PatchFiles): Promise<MohoError> {
  const before = treeOf(outside);
  const error = await apply(text, files).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(MohoError);
  expect(treeOf(outside)).toEqual(before);
  return error as MohoError;
}

describe("symbolic links", () => {
  test("a link to a file outside is not written through", async () => {
    symlinkSync(join(outside, "secret"), join(root, "link"));
    expect((await refused(update("link"))).code).toBe("access_denied");
  });

  test("a linked folder leads nowhere outside", async () => {
    symlinkSync(outside, join(root, "dir"));
    expect((await refused(add("dir/new"))).code).toBe("access_denied");
    expect((await refused(update("dir/secret"))).code).toBe("access_denied");
    expect((await refused("*** Delete File: dir/secret\n")).code).toBe("access_denied");
  });

  test("a dangling link to outside is not filled in", async () => {
    symlinkSync(join(outside, "planted"), join(root, "link"));
    await refused(add("link"));
    expect(existsSync(join(outside, "planted"))).toBe(false);
  });

  test("a link to a file inside is written through and stays a link", async () => {
    writeFileSync(join(root, "real"), "secret\n");
    symlinkSync("real", join(root, "link"));
    await apply(update("link"));
    expect(lstatSync(join(root, "link")).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(root, "real"), "utf8")).toBe("changed\n");
  });

  test("a link itself is neither deleted nor moved", async () => {
    writeFileSync(join(root, "real"), "secret\n");
    symlinkSync("real", join(root, "link"));
    expect((await refused("*** Delete File: link\n")).message).toMatch(/symbolic link/);
    expect((await refused("*** Update File: link\n*** Move to: other\n")).message).toMatch(/symbolic link/);
    expect(readdirSync(root).sort()).toEqual(["link", "real"]);
  });
});

describe("a folder swapped for a link to outside while the patch is applied", () => {
  const swapAt = (operation: keyof PatchFiles, folder: string): PatchFiles => {
    let swapped = false;
    const act = async (...args: never[]) => {
      if (!swapped) {
        swapped = true;
        renameSync(join(root, folder), join(root, "moved-away"));
        symlinkSync(outside, join(root, folder));
      }
      return (diskFiles[operation] as (...all: never[]) => Promise<unknown>)(...args);
    };
    return { ...diskFiles, [operation]: act };
  };
  const prepare = () => {
    mkdirSync(join(root, "dir"));
    writeFileSync(join(root, "dir/secret"), "secret\n");
    writeFileSync(join(root, "dir/other"), "secret\n");
  };

  test.each(["stat", "read", "write", "link", "rename"] as const)("at %s", async (operation) => {
    prepare();
    await refused(
      `${update("dir/secret")}${add("dir/new")}*** Delete File: dir/other\n`,
      swapAt(operation, "dir"),
    );
    const kept = readdirSync(join(root, "moved-away")).filter((name) => !name.startsWith(".moho-patch-"));
    expect(kept.sort()).toEqual(["other", "secret"]);
    expect(readFileSync(join(root, "moved-away/secret"), "utf8")).toBe("secret\n");
  });

  test.each(["stat", "read", "write", "link", "rename"] as const)(
    "two levels up, at %s",
    async (operation) => {
      mkdirSync(join(root, "dir/sub"), { recursive: true });
      mkdirSync(join(outside, "sub"));
      for (const folder of [join(root, "dir/sub"), join(outside, "sub")]) {
        writeFileSync(join(folder, "secret"), "secret\n");
        writeFileSync(join(folder, "other"), "secret\n");
      }
      const text = `${update("dir/sub/secret")}${add("dir/sub/new")}*** Delete File: dir/sub/other\n`;
      await refused(text, swapAt(operation, "dir"));
      expect(readFileSync(join(root, "moved-away/sub/secret"), "utf8")).toBe("secret\n");
    },
  );

  test("at the making of a folder below it", async () => {
    prepare();
    await refused(add("dir/sub/deep/new"), swapAt("makeFolder", "dir"));
    expect(readdirSync(outside)).toEqual(["secret"]);
  });
});

test("a hard link to a file outside: the file outside keeps its content", async () => {
  linkSync(join(outside, "secret"), join(root, "hard"));
  await apply(update("hard"));
  expect(readFileSync(join(outside, "secret"), "utf8")).toBe("secret\n");
});

test("a named pipe is refused and not waited for", async () => {
  execFileSync("mkfifo", [join(root, "pipe")]);
  expect((await refused(update("pipe"))).message).toMatch(/special file/);
});

test("a file that becomes a named pipe before it is read is not waited for", async () => {
  writeFileSync(join(root, "pipe"), "secret\n");
  const read: PatchFiles["read"] = (path) => {
    rmSync(path);
    execFileSync("mkfifo", [path]);
    return diskFiles.read(path);
  };
  await refused(update("pipe"), { ...diskFiles, read });
});

test("a file that becomes a link before it is read is not followed", async () => {
  writeFileSync(join(root, "file"), "secret\n");
  const read: PatchFiles["read"] = (path) => {
    rmSync(path);
    symlinkSync(join(outside, "secret"), path);
    return diskFiles.read(path);
  };
  expect((await refused(update("file"), { ...diskFiles, read })).message).toMatch(/became a symbolic link/);
});

test("what the policy refuses is not even looked at", async () => {
  const touched: string[] = [];
  const files = Object.fromEntries(
    Object.entries(diskFiles).map(([name, act]) => [
      name,
      (...args: unknown[]) => {
        touched.push(String(args[0]));
        return (act as (...all: unknown[]) => unknown)(...args);
      },
    ]),
  ) as unknown as PatchFiles;
  await refused(update("../outside/secret"), files);
  expect(touched).toEqual([]);
});

test("no file keeps a set-user-id bit through a patch", async () => {
  const path = join(root, "tool");
  writeFileSync(path, "secret\n");
  execFileSync("chmod", ["4755", path]);
  await apply(update("tool"));
  expect(lstatSync(path).mode & 0o7777).toBe(0o755);
});

test.each([
  ["apply_patch <<'EOF'\n*** Begin Patch\n*** End Patch\nEOF", true],
  ["cd src && apply_patch <<EOF\nx\nEOF\n", true],
  ["apply_patch <<'EOF'\nx\nEOF\nrm -rf x", false],
  ["apply_patch <<'EOF'\nx\nEOF\nrm -rf x\nEOF", false],
  ["rm -rf x && apply_patch <<'EOF'\nx\nEOF", false],
  ["apply_patch <<'EOF' && rm -rf x\nx\nEOF", false],
  ["cd $(rm -rf x) && apply_patch <<'EOF'\nx\nEOF", false],
  ["cat <<'EOF'\nx\nEOF", false],
  ["<<'EOF'\nx\nEOF", false],
])("%j is nothing but a patch: %j", (command, expected) => {
  expect(isPatchCommand(command)).toBe(expected);
});

describe("hostile sizes and repetition", () => {
  test("equal lines by the hundred thousand", async () => {
    writeFileSync(join(root, "f"), "x\n".repeat(200_000));
    const many = "-x\n".repeat(2_000);
    await expect(apply(`*** Update File: f\n@@\n${many}-y\n`)).rejects.toMatchObject({
      code: "invalid_patch",
    });
    const hunks = "@@ -1 +1 @@\n-x\n+x\n".repeat(50);
    await apply(`--- a/f\n+++ b/f\n${hunks}@@ -9 +9 @@\n-x\n+z\n`);
    expect(readFileSync(join(root, "f"), "utf8")).toContain("z\n");
  });

  test.each([
    ["blanks", `${" ".repeat(500_000)}x`],
    ["a fence without end", "`".repeat(500_000)],
    ["a heredoc without end", `cd ${"a".repeat(500_000)} && apply_patch <<`],
    ["quotes", `--- "a/${"\\".repeat(300_001)}\n+++ "b/${'"'.repeat(300_000)}\n@@ -1 +1 @@\n-x\n+y\n`],
    ["numbers", `--- a/f\n+++ b/f\n@@ -${"9".repeat(300_000)} +1 @@\n-x\n`],
    ["many scopes", `*** Update File: f\n${"@@ x\n".repeat(50_000)}-x\n`],
    ["many headers", "diff --git a/x b/x\n".repeat(20_000)],
    ["carriage returns", "\r\n".repeat(300_000)],
  ])("%s", async (_name, text) => {
    writeFileSync(join(root, "f"), "x\n".repeat(10));
    await refused(text);
  });

  test("a file too large to patch is refused before it is read whole", async () => {
    const sparse = join(root, "big");
    execFileSync("truncate", ["-s", "65M", sparse]);
    expect((await refused(update("big"))).message).toMatch(/larger than 64 MiB/);
  });
});

test("the reader survives any soup of patch lines, and what it accepts stays inside", async () => {
  const soup = [
    ...["*** Begin Patch", "*** End Patch", "*** Add File: a", "*** Update File: f", "*** Delete File: f"],
    ...[
      "*** Move to: ../m",
      "*** Move to: m",
      "*** End of File",
      "@@",
      "@@ x",
      "@@ -1,2 +1,2 @@",
      "@@ -0,0 +1 @@",
    ],
    ...[
      "--- a/f",
      "+++ b/f",
      "--- /dev/null",
      "+++ /dev/null",
      "diff --git a/f b/g",
      "rename from f",
      "rename to g",
    ],
    ...[
      " x",
      "-x",
      "+y",
      "+",
      "-",
      " ",
      "",
      "\\ No newline at end of file",
      "```",
      "EOF",
      "apply_patch <<'EOF'",
    ],
    ...[
      "old mode 100644",
      "new mode 100755",
      "new file mode 100644",
      "deleted file mode 100644",
      "-- ",
      "\r",
      "\u0000",
    ],
    ...[
      "*** Add File: /tmp/../etc/x",
      "*** Update File: ../outside/secret",
      "+\ud800",
      "\ufeff",
      "--- ../outside/secret",
    ],
  ];
  const before = treeOf(outside);
  for (let seed = 1; seed <= 3000; seed++) {
    const r = random(seed);
    const text = Array.from({ length: 1 + r.below(14) }, () => r.pick(soup)).join(
      r.chance(0.1) ? "\r\n" : "\n",
    );
    const parsed = attempt(() => parsePatch(text));
    if (parsed instanceof Error || seed % 5 > 0) continue;
    writeFileSync(join(root, "f"), "x\ny\nx\n");
    await apply(text).catch((error: unknown) => expect(error, text).toBeInstanceOf(MohoError));
    expect(readdirSync(root).filter((name) => name.startsWith(".moho"))).toEqual([]);
  }
  expect(treeOf(outside)).toEqual(before);
  expect(readdirSync(dirname(root)).sort()).toEqual(["outside", "root"]);
});

function attempt<T>(act: () => T): T | MohoError {
  try {
    return act();
  } catch (error) {
    expect(error).toMatchObject({ code: "invalid_patch" });
    return error as MohoError;
  }
}
