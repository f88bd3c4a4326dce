/** What a policy means on this disk now: one survey that path decisions and sandbox layers share. */

import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { lstatOf, realOf, realPaths, within } from "./paths.ts";
import type { SandboxPolicy } from "./ports.ts";

/** Real, absolute paths. Where two lists cover a path, the longest entry decides; a root beats an equal refusal to write. */
export interface Territory {
  /** The roots that exist, whatever the mode. */
  roots: readonly string[];
  /** Directories whose content may be written. */
  writable: readonly string[];
  /** Existing paths below `writable` that stay as they are. */
  readOnly: readonly string[];
  /** Paths below `writable` that must not come to exist. */
  absent: readonly string[];
  /** Existing paths that may not even be read. */
  unreadable: readonly string[];
  /** Protected names that are symlinks: a link cannot be pinned, so no layer can keep it from being replaced. */
  links: readonly string[];
}

/**
 * Pins directories to where they lead now. A name that leads nowhere yet is left out: a command could make it lead
 * anywhere later.
 */
export function pinned(directories: readonly string[]): string[] {
  return [...new Set(realPaths(directories))].filter((path) => lstatOf(path)?.isDirectory());
}

/** Still the directory that was pinned, and no link put in its place. */
function isItself(directory: string): boolean {
  return realOf(directory) === directory && lstatOf(directory)?.isDirectory() === true;
}

/** Looks at the disk, never through a new link in place of a root; to be repeated whenever a decision is due, because commands and people change it. */
export function survey(policy: SandboxPolicy, tmp: readonly string[]): Territory {
  const roots = policy.roots.filter(isItself);
  const writes = policy.mode === "workspace-write";
  const writable = writes
    ? [...new Set([...roots, ...(policy.tmpWritable ? tmp.filter(isItself) : [])])]
    : [];
  const candidates = writes
    ? roots.flatMap((root) => policy.protectedNames.map((name) => join(root, name)))
    : [];
  const links = candidates.filter((path) => lstatOf(path)?.isSymbolicLink());
  const hidden = policy.unreadable.map((path) => resolve(path));
  const kept = [...realPaths(candidates), ...candidates.flatMap(gitDirectories)];
  const inWritable = (path: string): boolean => writable.some((area) => within(area, path));
  const readOnly = [...new Set(kept)].filter((path) => inWritable(path) && !roots.includes(path));
  const unreadable = [...new Set(hidden.flatMap(unreadablePaths))];
  const covered = (path: string): boolean => [...readOnly, ...unreadable].some((area) => within(area, path));
  const absent = [...candidates, ...hidden]
    .filter((path) => lstatOf(path) === undefined)
    .map((path) => join(realOf(dirname(path)) ?? "", basename(path)))
    .filter((path) => inWritable(path) && !covered(path));
  return { roots, writable, readOnly, absent: [...new Set(absent)], unreadable, links };
}

/**
 * `path` and the files that symlinks directly in it lead to: credentials often live in a dotfiles folder and
 * are linked into place.
 */
function unreadablePaths(path: string): string[] {
  const real = realOf(path);
  if (real === undefined) return [];
  if (!lstatOf(real)?.isDirectory()) return [real];
  const linked = entriesOf(real)
    .filter((entry) => entry.isSymbolicLink())
    .map((entry) => realOf(join(real, entry.name)))
    .filter((target) => target !== undefined && lstatOf(target)?.isFile());
  return [real, ...(linked as string[])];
}

function entriesOf(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return []; // not readable here, so not readable to commands either
  }
}

/** For a worktree's or submodule's `.git` file: the git directory it names, and that one's common directory. */
function gitDirectories(path: string): string[] {
  if (!path.endsWith("/.git") || !lstatOf(path)?.isFile()) return [];
  const named = /^gitdir: *(.+)/.exec(readFileSync(path, "utf8"))?.[1];
  const own = named === undefined ? undefined : realOf(resolve(dirname(path), named.trim()));
  if (own === undefined) return [];
  const commonFile = join(own, "commondir");
  const shared = lstatOf(commonFile)?.isFile()
    ? realOf(resolve(own, readFileSync(commonFile, "utf8").trim()))
    : undefined;
  return shared === undefined ? [own] : [own, shared];
}
