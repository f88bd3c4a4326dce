/** Paths as the kernel sees them: symlinks resolved, also when the end of the path does not exist yet. */

import { lstatSync, readlinkSync, realpathSync, type Stats } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";

/** The kernel's own limit (`MAXSYMLINKS`). */
const MOST_LINKS = 40;

/** Is `path` the directory `parent`, or below it? Both absolute and normalised. */
export function within(parent: string, path: string): boolean {
  return path === parent || path.startsWith(parent === sep ? sep : parent + sep);
}

/** The first path segment below `parent`; `undefined` for `parent` itself and for paths outside. */
export function firstSegment(parent: string, path: string): string | undefined {
  if (path === parent || !within(parent, path)) return undefined;
  return relative(parent, path).split(sep)[0];
}

/** Metadata of the path itself (a symlink is not followed); `undefined` when nothing can be found there. */
export function lstatOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

/** The real path of something that exists and can be reached, else `undefined`. */
export function realOf(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}

/** Real paths of those that exist, without doubles. */
export function realPaths(paths: readonly string[]): string[] {
  return [...new Set(paths.map(realOf).filter((path) => path !== undefined))];
}

/**
 * The real path that opening or creating `path` would reach: symlinks of the deepest existing ancestor are
 * resolved and so are dangling ones, which a write would create at their target.
 * `undefined` for loops and for what cannot be looked at.
 */
export function resolveReal(path: string): string | undefined {
  let at = resolve(path);
  let rest = "";
  for (let links = 0; links <= MOST_LINKS; ) {
    const real = realOf(at);
    if (real !== undefined) return join(real, rest);
    const found = lstatOf(at);
    if (found?.isSymbolicLink()) {
      const parent = realOf(dirname(at));
      if (parent === undefined) return undefined;
      at = resolve(parent, readlinkSync(at));
      links += 1;
    } else if (found !== undefined || dirname(at) === at) {
      return undefined;
    } else {
      rest = join(basename(at), rest);
      at = dirname(at);
    }
  }
  return undefined;
}
