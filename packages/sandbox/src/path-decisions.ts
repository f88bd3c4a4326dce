/** May an in-process tool read or write a path? The same rules as the sandbox's, decided without a child process. */

import { isAbsolute, resolve } from "node:path";
import { firstSegment, lstatOf, resolveReal, within } from "./paths.ts";
import type { PathDecision, SandboxPolicy } from "./ports.ts";
import { survey, type Territory } from "./territory.ts";

/** Kernel file systems: reading them in this process would show this process's own secrets. */
const KERNEL = ["/proc", "/sys", "/dev"];

export function decideRead(policy: SandboxPolicy, tmp: readonly string[], path: string): PathDecision {
  const located = locate(path);
  if (!located.allowed || policy.mode === "danger-full-access") return located;
  const territory = survey(policy, tmp);
  const refusal =
    kernelPath(territory, located.real) ?? hiddenPath(territory, located.real) ?? odd(located.real);
  return refusal === undefined ? located : refused(`${path} may not be read: ${refusal}`);
}

/**
 * A file with several hard links is allowed: its other names cannot be known, so writers must replace a file
 * (write beside it, then rename) and never write through it.
 */
export function decideWrite(policy: SandboxPolicy, tmp: readonly string[], path: string): PathDecision {
  const located = locate(path);
  if (!located.allowed || policy.mode === "danger-full-access") return located;
  const { real } = located;
  const territory = survey(policy, tmp);
  const refusal =
    (policy.mode === "read-only" ? "the sandbox is read-only" : undefined) ??
    kernelPath(territory, real) ??
    hiddenPath(territory, real) ??
    protectedPath(policy, territory, real) ??
    outside(policy, territory, path, real) ??
    odd(real);
  return refusal === undefined ? located : refused(`${path} may not be written: ${refusal}`);
}

const refused = (reason: string): PathDecision => ({ allowed: false, reason });

function locate(path: string): PathDecision {
  if (path.includes("\0")) return refused("the path contains a NUL byte");
  if (!isAbsolute(path)) return refused(`${path} is not an absolute path`);
  const real = resolveReal(path);
  return real === undefined
    ? refused(`${path} cannot be resolved: a loop of symlinks, or a directory that may not be searched`)
    : { allowed: true, real };
}

/** A root may lie there (`/dev/shm/work`). */
function kernelPath(territory: Territory, real: string): string | undefined {
  const tree = KERNEL.find((root) => within(root, real));
  if (tree === undefined || longest(territory.roots, real, tree) !== undefined) return undefined;
  return `${tree} is not open to built-in tools`;
}

function hiddenPath(territory: Territory, real: string): string | undefined {
  const hidden = longest(territory.unreadable, real);
  if (hidden === undefined || longest(territory.roots, real, hidden) !== undefined) return undefined;
  return `${hidden} is kept from tools and commands`;
}

/** Names are compared without case, so that `.GIT` is no way round on file systems that fold it. */
function protectedPath(policy: SandboxPolicy, territory: Territory, real: string): string | undefined {
  const names = policy.protectedNames.map((name) => name.toLowerCase());
  for (const root of territory.roots) {
    const name = firstSegment(root, real);
    if (name === undefined || !names.includes(name.toLowerCase())) continue;
    if (longest(territory.roots, real, root) === undefined) return `${name} of ${root} is protected`;
  }
  const kept = longest([...territory.readOnly, ...territory.absent], real);
  return kept !== undefined && longest(territory.roots, real, kept) === undefined
    ? `${kept} is protected`
    : undefined;
}

function outside(
  policy: SandboxPolicy,
  territory: Territory,
  path: string,
  real: string,
): string | undefined {
  if (longest(territory.writable, real) !== undefined) return undefined;
  const where = real === resolve(path) ? "it is" : `it leads to ${real}, which is`;
  return `${where} outside the writable ${policy.roots.length === 1 ? "root" : "roots"} ${policy.roots.join(", ")}`;
}

/** Devices, pipes and sockets block, or act on something that is not a file. */
function odd(real: string): string | undefined {
  const found = lstatOf(real);
  return found === undefined || found.isFile() || found.isDirectory()
    ? undefined
    : "it is a device, pipe or socket";
}

/** The longest of `areas` that holds `path`, if longer than `than`. */
function longest(areas: readonly string[], path: string, than = ""): string | undefined {
  let best: string | undefined;
  for (const area of areas) {
    if (within(area, path) && area.length > (best ?? than).length) best = area;
  }
  return best;
}
