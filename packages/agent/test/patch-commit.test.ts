/** A patch happens completely or not at all: every step of the writing fails once, and the tree must not show it. */

import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { MohoError } from "@moho/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { applyPatch, diskFiles, type PatchFiles } from "../src/patch/index.ts";
import { inside, newFolder, treeOf } from "./patch-tree.ts";

let root = "";
beforeEach(() => {
  root = newFolder();
  restore();
});
afterEach(() => rmSync(dirname(root), { recursive: true, force: true }));

const PATCH = `*** Begin Patch
*** Update File: src/app.ts
@@
-two
+2
*** Update File: run.sh
@@
-echo 1
+echo 2
*** Delete File: old.txt
*** Update File: from.txt
*** Move to: deep/er/to.txt
*** Add File: new/folder/a.txt
+a
*** Add File: new/folder/b.txt
+b
*** End Patch`;

const apply = (files: PatchFiles, text = PATCH) => applyPatch(text, { root, canWrite: inside(root), files });

type Operation = keyof PatchFiles;
type Fault = (operation: Operation, count: number, path: string) => "pass" | "fail" | "half" | "fail after";

/** The real disk with failures put in: before an operation, after half of a write, or after it. */
function failing(fault: Fault): { files: PatchFiles; operations: () => number } {
  let count = 0;
  const files = Object.fromEntries(
    Object.entries(diskFiles).map(([name, act]) => [
      name,
      async (...args: unknown[]) => {
        count++;
        const kind = fault(name as Operation, count, args[0] as string);
        const full = Object.assign(new Error("injected"), { code: "ENOSPC" });
        if (kind === "fail") throw full;
        if (kind === "half") args[1] = (args[1] as Buffer).subarray(0, 1);
        const result = await (act as (...all: unknown[]) => Promise<unknown>)(...args);
        if (kind !== "pass") throw full;
        return result;
      },
    ]),
  );
  return { files: files as unknown as PatchFiles, operations: () => count };
}

test("the whole patch lands, modes kept, and nothing is left beside it", async () => {
  const result = await apply(diskFiles);
  expect(result.summary.split("\n")).toEqual([
    "The patch was applied:",
    "M src/app.ts",
    "M run.sh",
    "D old.txt",
    "M deep/er/to.txt (moved from from.txt)",
    "A new/folder/a.txt",
    "A new/folder/b.txt",
  ]);
  expect(Object.keys(treeOf(root)).sort()).toEqual(
    ["deep", "deep/er", "deep/er/to.txt", "new", "new/folder", "new/folder/a.txt", "new/folder/b.txt"].concat(
      ["run.sh", "src", "src/app.ts"],
    ),
  );
  expect(statSync(join(root, "run.sh")).mode & 0o777).toBe(0o750);
  expect(readFileSync(join(root, "src/app.ts"), "utf8")).toBe("one\r\n2\r\n");
});

test.each(["fail", "fail after"] as const)(
  "an operation's failure leaves the tree as it was: %s",
  async (kind) => {
    const before = treeOf(root);
    const clean = failing(() => "pass");
    await apply(clean.files);
    const total = clean.operations();
    expect(total).toBeGreaterThan(30);
    let refused = 0;
    for (let at = 1; at <= total; at++) {
      rmSync(root, { recursive: true });
      mkdirSync(root);
      restore();
      const outcome = await apply(failing((_, count) => (count === at ? kind : "pass")).files).catch(
        (e) => e,
      );
      // A link that is refused has a fallback, and clean-up may fail without harm; everything else must refuse.
      if (!(outcome instanceof Error)) continue;
      refused++;
      expect(treeOf(root), `failure at operation ${at}`).toEqual(before);
    }
    expect(refused).toBeGreaterThan(20);
  },
);

test("a disk that is full from some moment on leaves the tree as it was", async () => {
  const before = treeOf(root);
  for (let from = 1; from <= 20; from++) {
    let writes = 0;
    const fault: Fault = (operation) => {
      if (operation !== "write" && operation !== "makeFolder") return "pass";
      return ++writes >= from ? (operation === "write" ? "half" : "fail") : "pass";
    };
    const outcome = await apply(failing(fault).files).catch((error: unknown) => error);
    if (!(outcome instanceof Error)) {
      expect(from).toBeGreaterThan(5);
      return;
    }
    expect(treeOf(root), `full from write ${from}`).toEqual(before);
  }
  expect.unreachable();
});

test("a disk without hard links is served by copies, and rolled back the same", async () => {
  const before = treeOf(root);
  const noLinks: Fault = (operation) => (operation === "link" ? "fail" : "pass");
  let renames = 0;
  const lastRename: Fault = (operation, count, path) =>
    operation === "rename" && ++renames === 5 ? "fail" : noLinks(operation, count, path);
  await expect(apply(failing(lastRename).files)).rejects.toThrow();
  expect(treeOf(root)).toEqual(before);
  await apply(failing(noLinks).files);
  expect(readFileSync(join(root, "run.sh"), "utf8")).toBe("#!/bin/sh\necho 2\n");
  expect(readdirSync(root).filter((name) => name.startsWith(".moho"))).toEqual([]);
});

test("when even the way back fails, the message names where the original is", async () => {
  let renames = 0;
  const stuck: Fault = (operation) => (operation === "rename" && ++renames >= 3 ? "fail" : "pass");
  const error = await apply(failing(stuck).files).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(MohoError);
  const kept = [...(error as Error).message.matchAll(/the original of (\S+) is ([^;\s]+)/g)];
  expect(kept.length).toBe(3);
  const originals: Record<string, string> = {
    "old.txt": "old\n",
    "from.txt": "moved\n",
    "app.ts": "one\r\ntwo\r\n",
  };
  for (const [, path, original] of kept) {
    expect(readFileSync(original!, "utf8")).toBe(originals[path!.split("/").at(-1)!]);
  }
});

test("a file that changes between reading and writing is not overwritten", async () => {
  const path = join(root, "src/app.ts");
  const meddle: Fault = (operation) => {
    if (operation === "write") writeFileSync(path, "somebody else's\n");
    return "pass";
  };
  await expect(apply(failing(meddle).files)).rejects.toMatchObject({ code: "conflict" });
  expect(readFileSync(path, "utf8")).toBe("somebody else's\n");
  expect(readFileSync(join(root, "old.txt"), "utf8")).toBe("old\n");
});

test("a file that appears where one is added is not overwritten", async () => {
  mkdirSync(join(root, "new/folder"), { recursive: true });
  const path = join(root, "new/folder/b.txt");
  let placed = 0;
  const meddle: Fault = (operation, _, from) => {
    if (operation === "link" && from.includes("new/folder") && ++placed === 2) writeFileSync(path, "mine\n");
    return "pass";
  };
  await expect(apply(failing(meddle).files)).rejects.toMatchObject({ code: "conflict" });
  expect(readFileSync(path, "utf8")).toBe("mine\n");
  expect(statSync(join(root, "from.txt")).isFile()).toBe(true);
});

test("a read-only file is refused, also for root", async () => {
  chmodSync(join(root, "run.sh"), 0o555);
  const before = treeOf(root);
  await expect(apply(diskFiles)).rejects.toThrow(/run\.sh.*read-only/);
  expect(treeOf(root)).toEqual(before);
});

test("the other name of a hard-linked file keeps the old content", async () => {
  const other = join(dirname(root), "other.sh");
  linkSync(join(root, "run.sh"), other);
  await apply(diskFiles);
  expect(readFileSync(other, "utf8")).toBe("#!/bin/sh\necho 1\n");
  expect(readFileSync(join(root, "run.sh"), "utf8")).toBe("#!/bin/sh\necho 2\n");
});

test("a case-only rename works where names ignore case", async () => {
  const real = (path: string) => {
    const name = path.split("/").at(-1)!;
    const entries = readdirSync(dirname(path));
    return (
      entries.find((entry) => entry === name) ?? entries.find((e) => e.toLowerCase() === name.toLowerCase())
    );
  };
  const found = (path: string) => join(dirname(path), real(path) ?? path.split("/").at(-1)!);
  const insensitive: PatchFiles = {
    ...diskFiles,
    stat: (path) => diskFiles.stat(found(path)),
    read: (path) => diskFiles.read(found(path)),
    link: (from, to) => diskFiles.link(from, found(to)),
  };
  const text = "*** Update File: old.txt\n*** Move to: OLD.txt\n@@\n-old\n+new\n";
  await apply(insensitive, text);
  expect(readdirSync(root).filter((name) => name.toLowerCase() === "old.txt")).toEqual(["OLD.txt"]);
  expect(readFileSync(join(root, "OLD.txt"), "utf8")).toBe("new\n");
});

function restore(): void {
  mkdirSync(join(root, "src"));
  writeFileSync(join(root, "src/app.ts"), "one\r\ntwo\r\n");
  writeFileSync(join(root, "run.sh"), "#!/bin/sh\necho 1\n");
  chmodSync(join(root, "run.sh"), 0o750);
  writeFileSync(join(root, "old.txt"), "old\n");
  writeFileSync(join(root, "from.txt"), "moved\n");
}
