/** Folders as values, and a path policy, for the tests of `apply_patch`. */

import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import type { PathDecision } from "@moho/sandbox";

/** Path to mode and bytes (hex), or to `folder`; symlinks show where they lead. */
export function treeOf(root: string): Record<string, string> {
  const tree: Record<string, string> = {};
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const stat = lstatSync(path);
    const kind = stat.isDirectory()
      ? "folder"
      : stat.isFile()
        ? `${(stat.mode & 0o777).toString(8)} ${JSON.stringify(readFileSync(path).toString("latin1"))}`
        : "other";
    tree[relative(root, path)] = kind;
  }
  return tree;
}

export function newFolder(): string {
  const folder = join(realpathSync(mkdtempSync(join(tmpdir(), "moho-patch-test-"))), "root");
  mkdirSync(folder);
  return folder;
}

/** Allows what really lies inside `root`, as the sandbox's policy does. */
export function inside(root: string): (path: string) => PathDecision {
  return (path) => {
    const real = realPath(path);
    const allowed = real.startsWith(`${root}/`);
    return allowed ? { allowed, real } : { allowed, reason: "outside the workspace" };
  };
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path === "/" ? path : join(realPath(dirname(path)), basename(path));
  }
}
