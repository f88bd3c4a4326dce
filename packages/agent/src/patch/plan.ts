/** Decides what a whole patch does to the files it names, before anything is written. Pure given the files. */

import { basename, dirname, join } from "node:path";
import { MohoError } from "@moho/protocol";
import { editText } from "./edit.ts";
import { readText, writeText } from "./text-file.ts";
import { type FilePatch, type Hunk, invalidPatch, type Patch } from "./types.ts";

export interface FileStat {
  kind: "file" | "folder" | "link" | "other";
  dev: bigint;
  ino: bigint;
  size: bigint;
  mtimeNs: bigint;
  /** Permission bits. */
  mode: number;
  uid: number;
  gid: number;
}

export interface DiskFile {
  bytes: Buffer;
  stat: FileStat;
  /** False when its mode or owner keeps us from changing it in place. */
  writable: boolean;
}

/** One path of the patch, resolved. */
export interface Target {
  /** For people: relative to the root where it is inside, with `/`. */
  shown: string;
  /** As the patch names it, absolute. */
  absolute: string;
  /** Absolute, every symlink resolved. */
  real: string;
  /** The path itself is a symlink (to a place that may be written). */
  link: boolean;
  file: DiskFile | undefined;
}

/** What happens at one real path. Removals come first, so that a name may be freed and taken again. */
export type Step =
  | { kind: "remove"; target: Target; before: DiskFile }
  | { kind: "replace"; target: Target; before: DiskFile; bytes: Buffer; mode: number }
  | { kind: "create"; target: Target; bytes: Buffer; mode: number; like: FileStat | undefined };

export interface Outcome {
  kind: "add" | "delete" | "update";
  path: string;
  movedFrom: string | undefined;
  before: Buffer | undefined;
  after: Buffer | undefined;
  /** Permission bits when they change or matter for the diff's header. */
  modes: { before: number | undefined; after: number | undefined };
}

export interface Plan {
  steps: Step[];
  outcomes: Outcome[];
  /** Paths the patch names that already are as it wants them. */
  unchanged: string[];
}

/** A path while the patch is played through. */
interface State {
  target: Target;
  bytes: Buffer | undefined;
  /** Where its content came from, when it was moved here. */
  origin: Target | undefined;
  executable: boolean | undefined;
}

/** Every hunk of every file is verified. `targets` is keyed by the paths as written. Throws `invalid_patch`. */
export function planPatch(patch: Patch, targets: ReadonlyMap<string, Target>): Plan {
  const states = new Map<string, State>();
  const stateOf = (target: Target): State => {
    const known = states.get(target.real);
    if (known) return known;
    const state: State = { target, bytes: target.file?.bytes, origin: undefined, executable: undefined };
    states.set(target.real, state);
    return state;
  };
  for (const file of patch.files) {
    const state = stateOf(targets.get(file.path)!);
    if (file.kind === "add") add(state, file);
    else if (file.kind === "delete") remove(state, file);
    else update(state, file, stateOf, targets);
  }
  return conclude([...states.values()]);
}

function add(state: State, file: FilePatch & { kind: "add" }): void {
  const bytes = Buffer.from(file.content);
  if (state.bytes !== undefined && !state.bytes.equals(bytes)) {
    throw invalidPatch(file.at, 'the file exists: change it with "*** Update File:"', state.target.shown);
  }
  state.bytes = bytes;
  state.executable = file.executable;
}

function remove(state: State, file: FilePatch & { kind: "delete" }): void {
  const path = state.target.shown;
  const bytes = existing(state, file.at);
  refuseLink(state, file.at);
  if (file.hunks.length > 0 && edited(bytes, file.hunks, path).length > 0) {
    throw invalidPatch(file.at, "the file has more lines than the diff deletes", path);
  }
  state.bytes = undefined;
  state.origin = undefined;
}

function update(
  state: State,
  file: FilePatch & { kind: "update" },
  stateOf: (target: Target) => State,
  targets: ReadonlyMap<string, Target>,
): void {
  const path = state.target.shown;
  const before = existing(state, file.at);
  const after = file.hunks.length > 0 ? edited(before, file.hunks, path) : before;
  const executable = file.executable ?? state.executable;
  const to = file.moveTo === undefined ? undefined : destination(state.target, targets.get(file.moveTo)!);
  if (to === undefined) {
    Object.assign(state, { bytes: after, executable });
    return;
  }
  refuseLink(state, file.at);
  const moved = stateOf(to);
  if (moved.bytes !== undefined) {
    throw invalidPatch(file.at, `cannot move ${path} here: the file exists`, to.shown);
  }
  Object.assign(moved, { bytes: after, origin: state.origin ?? state.target, executable });
  Object.assign(state, { bytes: undefined, origin: undefined });
}

/** Where a move leads; undefined when onto itself. A case-only rename finds its own file under the new name. */
function destination(from: Target, to: Target): Target | undefined {
  if (from.absolute === to.absolute) return undefined;
  const caseOnly = from.absolute.toLowerCase() === to.absolute.toLowerCase();
  const [a, b] = [from.file?.stat, to.file?.stat];
  const same = a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
  if (!caseOnly || !same) return to;
  return { ...to, real: join(dirname(to.real), basename(to.absolute)), file: undefined };
}

function edited(bytes: Buffer, hunks: readonly Hunk[], path: string): Buffer {
  return writeText(editText(readText(bytes, path), hunks, path));
}

function existing(state: State, at: number): Buffer {
  if (state.bytes === undefined) throw invalidPatch(at, "the file does not exist", state.target.shown);
  return state.bytes;
}

function refuseLink(state: State, at: number): void {
  if (!state.target.link) return;
  throw invalidPatch(
    at,
    "a symbolic link is deleted or moved by a command, not by a patch",
    state.target.shown,
  );
}

function conclude(states: readonly State[]): Plan {
  const plan: Plan = { steps: [], outcomes: [], unchanged: [] };
  const moves = movesIn(states);
  const movedAway = new Set([...moves.values()].map((origin) => origin.real));
  for (const state of states) {
    const { target, bytes, origin } = state;
    const before = target.file;
    const like = origin?.file?.stat ?? before?.stat;
    const mode = withExecutable(like?.mode ?? NEW_FILE, state.executable);
    const modes = { before: before?.stat.mode, after: bytes && mode };
    const outcome = { path: target.shown, movedFrom: undefined, before: before?.bytes, after: bytes, modes };
    const moved = moves.get(state);
    if (bytes === undefined) {
      if (before === undefined) continue;
      plan.steps.unshift({ kind: "remove", target, before });
      if (!movedAway.has(target.real)) plan.outcomes.push({ ...outcome, kind: "delete" });
    } else if (before === undefined) {
      plan.steps.push({ kind: "create", target, bytes, mode, like });
      plan.outcomes.push(moved ? movedOutcome(outcome, moved) : { ...outcome, kind: "add" });
    } else if (origin === undefined && before.bytes.equals(bytes) && mode === before.stat.mode) {
      plan.unchanged.push(target.shown);
    } else {
      refuseReadOnly(target, before);
      plan.steps.push({ kind: "replace", target, before, bytes, mode });
      plan.outcomes.push({ ...outcome, kind: "update" });
    }
  }
  return plan;
}

/** Moves that can be told as such: the old name is free afterwards, the new one was before. */
function movesIn(states: readonly State[]): Map<State, Target> {
  const freed = new Set(
    states.filter((state) => state.bytes === undefined).map((state) => state.target.real),
  );
  const moves = new Map<State, Target>();
  for (const state of states) {
    const { origin } = state;
    if (origin?.file === undefined || state.bytes === undefined || state.target.file !== undefined) continue;
    if (freed.delete(origin.real)) moves.set(state, origin);
  }
  return moves;
}

function movedOutcome(outcome: Omit<Outcome, "kind">, origin: Target): Outcome {
  const { bytes, stat } = origin.file!;
  const modes = { before: stat.mode, after: outcome.modes.after };
  return { ...outcome, kind: "update", movedFrom: origin.shown, before: bytes, modes };
}

function refuseReadOnly(target: Target, file: DiskFile): void {
  if (file.writable) return;
  throw new MohoError("access_denied", `${target.shown}: the file is read-only`, {
    next: "Make the file writable first, if it is meant to change.",
  });
}

const NEW_FILE = 0o666;

function withExecutable(mode: number, executable: boolean | undefined): number {
  if (executable === undefined) return mode;
  return executable ? mode | ((mode & 0o444) >> 2) : mode & ~0o111;
}
