/** Carries out a plan so that all of it happens or none: stage everything, then only rename, undo on any failure. */

import { dirname } from "node:path";
import { MohoError } from "@moho/protocol";
import { besideName, type PatchFiles } from "./disk.ts";
import type { Step } from "./plan.ts";

interface Staged {
  step: Step;
  /** The new content beside its place. */
  fresh: string;
  /** A second name of the original, or where it goes. */
  kept: string;
}

/** What has happened so far, and the way back. */
interface Journal {
  undo: { act: () => Promise<void>; keeps: string; left: string }[];
  folders: string[];
  /** Temporary names, present or not. */
  spare: Set<string>;
}

/**
 * Writes the plan. When it rejects, bytes, modes and folders are as before; if even the way back fails, the message
 * names where each original is kept. A crash can leave `.moho-patch-*` files, never a half-written one.
 */
export async function commit(steps: readonly Step[], files: PatchFiles): Promise<void> {
  const journal: Journal = { undo: [], folders: [], spare: new Set() };
  let done = false;
  try {
    const staged: Staged[] = [];
    for (const step of steps) staged.push(await stage(step, files, journal));
    for (const each of staged) await swap(each, files, journal);
    done = true;
  } catch (failure) {
    // The roll-back is this function's promise; the failure goes on to the tool call.
    const stuck = await rollBack(journal);
    if (stuck.length === 0) throw failure;
    throw new MohoError("internal", `the patch failed and could not be undone: ${stuck.join("; ")}`, {
      cause: failure,
      next: "Put the named originals back by hand.",
    });
  } finally {
    for (const name of journal.spare) await files.remove(name).catch(() => undefined);
    if (!done) await dropFolders(journal, files);
  }
}

/** Returns what could not be undone. */
async function rollBack(journal: Journal): Promise<string[]> {
  const stuck: string[] = [];
  for (const { act, keeps, left } of journal.undo.reverse()) {
    await act().catch(() => {
      stuck.push(left);
      journal.spare.delete(keeps);
    });
  }
  return stuck;
}

/** Folders made for files that did not stay; one that is not empty stays. */
async function dropFolders(journal: Journal, files: PatchFiles): Promise<void> {
  for (const folder of journal.folders.reverse()) await files.removeFolder(folder).catch(() => undefined);
}

/** Everything that needs space or may be refused, done while the tree still is as it was. */
async function stage(step: Step, files: PatchFiles, journal: Journal): Promise<Staged> {
  const path = step.target.real;
  const staged = { step, fresh: besideName(path), kept: besideName(path) };
  journal.spare.add(staged.fresh).add(staged.kept);
  if (step.kind === "remove") return staged;

  if (step.kind === "create") await makeFolders(dirname(path), files, journal);
  const owner = step.kind === "replace" ? step.before.stat : step.like;
  await files.write(staged.fresh, step.bytes, step.mode, owner);
  if (step.kind === "replace") {
    const { bytes, stat } = step.before;
    // A file system without hard links keeps the original as a copy.
    await files.link(path, staged.kept).catch(() => files.write(staged.kept, bytes, stat.mode, stat));
  }
  return staged;
}

async function makeFolders(folder: string, files: PatchFiles, journal: Journal): Promise<void> {
  const there = await files.stat(folder);
  if (there !== undefined && there.kind !== "folder") {
    throw new MohoError("invalid_patch", `${folder} is not a folder, so nothing can be put into it`);
  }
  if (there !== undefined) return;
  await makeFolders(dirname(folder), files, journal);
  journal.folders.push(folder);
  await files.makeFolder(folder);
}

/** Only renames and links: each is atomic, and each has its way back. */
async function swap({ step, fresh, kept }: Staged, files: PatchFiles, journal: Journal): Promise<void> {
  const path = step.target.real;
  const now = await files.stat(path);
  if (step.kind === "create") {
    if (now !== undefined) throw conflict(step, "appeared");
    await place(fresh, path, files);
    journal.undo.push({ act: () => files.remove(path), keeps: fresh, left: `${path} is left` });
    return;
  }
  const { stat } = step.before;
  if (
    now?.ino !== stat.ino ||
    now.dev !== stat.dev ||
    now.size !== stat.size ||
    now.mtimeNs !== stat.mtimeNs
  ) {
    throw conflict(step, "changed");
  }
  // Noted before the deed: a rename may report a failure and have happened.
  const act = async () => {
    if ((await files.stat(kept)) !== undefined) await files.rename(kept, path);
  };
  journal.undo.push({ act, keeps: kept, left: `the original of ${path} is ${kept}` });
  if (step.kind === "remove") await files.rename(path, kept);
  else await files.rename(fresh, path);
}

/** Gives a new file its name without replacing one that appeared meanwhile. */
async function place(fresh: string, path: string, files: PatchFiles): Promise<void> {
  await files.link(fresh, path).catch((error: unknown) => {
    if (error instanceof MohoError && error.code === "conflict") throw error;
    return files.rename(fresh, path);
  });
}

function conflict(step: Step, what: string): MohoError {
  return new MohoError("conflict", `${step.target.shown} ${what} while the patch was applied`);
}
