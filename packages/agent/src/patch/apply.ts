/** `apply_patch`: read the patch, ask for every path, plan the whole of it, write all or nothing. */

import { isAbsolute, relative, resolve, sep } from "node:path";
import { MohoError } from "@moho/protocol";
import type { PathDecision } from "@moho/sandbox";
import { commit } from "./commit.ts";
import { unifiedDiff } from "./diff.ts";
import { diskFiles, type PatchFiles } from "./disk.ts";
import { parsePatch } from "./parse.ts";
import { type Outcome, type Plan, planPatch, type Target } from "./plan.ts";
import type { Patch } from "./types.ts";

export interface PatchOptions {
  /** Absolute; relative paths of the patch start here. */
  root: string;
  /** Asked for each absolute path; what it refuses is not even read. */
  canWrite(path: string): PathDecision | Promise<PathDecision>;
  /** The disk, unless another is given. */
  files?: PatchFiles;
}

export interface PatchChange {
  /** Relative to the root where it is inside, with `/`. */
  path: string;
  kind: "add" | "delete" | "update";
  /** The old path of a moved file. */
  movedFrom?: string;
  /** Unified, in git's form. */
  diff: string;
}

export interface PatchResult {
  changes: PatchChange[];
  /** One line a file for the model: A, M or D and the path. */
  summary: string;
}

/**
 * Applies a patch as one transaction. Rejects with `invalid_patch` (it does not fit; nothing was written),
 * `access_denied` (a path may not be written), `conflict` (a file changed meanwhile) or `internal` (disk);
 * after any of them the tree is as it was.
 */
export async function applyPatch(text: string, options: PatchOptions): Promise<PatchResult> {
  const files = options.files ?? diskFiles;
  const patch = parsePatch(text);
  const targets = await readTargets(patch, options, files);
  const plan = planPatch(patch, targets);
  await commit(plan.steps, files);
  return { changes: plan.outcomes.map(toChange), summary: summarise(plan) };
}

function namedPaths(patch: Patch): Set<string> {
  const paths = new Set<string>();
  for (const file of patch.files) {
    paths.add(file.path);
    if (file.kind === "update" && file.moveTo !== undefined) paths.add(file.moveTo);
  }
  return paths;
}

async function readTargets(
  patch: Patch,
  options: PatchOptions,
  files: PatchFiles,
): Promise<Map<string, Target>> {
  const targets = new Map<string, Target>();
  for (const path of namedPaths(patch)) {
    const absolute = resolve(options.root, patch.folder, path);
    const shown = shownPath(options.root, absolute);
    const decision = await options.canWrite(absolute);
    if (!decision.allowed) throw refused(shown, decision.reason);
    const link = decision.real !== absolute && (await files.stat(absolute))?.kind === "link";
    const stat = await files.stat(decision.real);
    if (stat !== undefined && stat.kind !== "file") {
      throw new MohoError("invalid_patch", `${shown}: it is ${KINDS[stat.kind]}, not a regular file`);
    }
    const file = stat && (await files.read(decision.real));
    targets.set(path, { shown, absolute, real: decision.real, link, file });
  }
  return targets;
}

const KINDS = { folder: "a folder", link: "a symbolic link", other: "a special file" };

function refused(shown: string, reason: string): MohoError {
  return new MohoError("access_denied", `${shown}: ${reason}`, {
    next: "Write inside the workspace, or ask for approval.",
    details: { path: shown },
  });
}

function shownPath(root: string, absolute: string): string {
  const inside = relative(root, absolute);
  const path = inside === "" || isAbsolute(inside) || inside.split(sep)[0] === ".." ? absolute : inside;
  return sep === "/" ? path : path.replaceAll(sep, "/");
}

function toChange(outcome: Outcome): PatchChange {
  const { kind, path, movedFrom, before, after, modes } = outcome;
  const diff = unifiedDiff(before?.toString() ?? "", after?.toString() ?? "", {
    kind,
    path,
    from: movedFrom,
    modes,
  });
  return movedFrom === undefined ? { path, kind, diff } : { path, kind, movedFrom, diff };
}

const LETTERS = { add: "A", update: "M", delete: "D" } as const;

function summarise({ outcomes, unchanged }: Plan): string {
  const changed = outcomes.map(
    ({ kind, path, movedFrom }) => `${LETTERS[kind]} ${path}${movedFrom ? ` (moved from ${movedFrom})` : ""}`,
  );
  const same = unchanged.map((path) => `= ${path} (already as the patch wants it)`);
  const head = changed.length > 0 ? "The patch was applied:" : "Nothing had to change:";
  return [head, ...changed, ...same].join("\n");
}
