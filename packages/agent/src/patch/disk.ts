/**
 * The file operations of a patch on the real disk. Each one holds its folder open and works through that handle,
 * so that a sandboxed process which swaps a folder for a symlink in the meantime gains nothing.
 */

import { randomBytes } from "node:crypto";
import { type BigIntStats, constants } from "node:fs";
import {
  access,
  link,
  lstat,
  mkdir,
  open,
  readlink,
  realpath,
  rename,
  rmdir,
  unlink,
} from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { MohoError } from "@moho/protocol";
import type { DiskFile, FileStat } from "./plan.ts";

/** What a patch needs of a disk. Paths are absolute and free of symlinks above their last name. */
export interface PatchFiles {
  /** Of the name itself, never of what a symlink points to; undefined when missing. */
  stat(path: string): Promise<FileStat | undefined>;
  /** The bytes of a regular file. */
  read(path: string): Promise<DiskFile>;
  makeFolder(path: string): Promise<void>;
  removeFolder(path: string): Promise<void>;
  /** Makes a new file, on disk when this resolves. With `owner`, exactly this mode and owner; else the umask rules. */
  write(path: string, bytes: Buffer, mode: number, owner: FileStat | undefined): Promise<void>;
  /** A second name for a file in the same folder. Fails when the name is taken. */
  link(from: string, to: string): Promise<void>;
  /** Within one folder; replaces. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
}

const LARGEST = 64 * 1024 * 1024;
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;

export const diskFiles: PatchFiles = {
  stat: (path) =>
    inFolder(path, "look at", async (name) => statOf(await lstat(name, { bigint: true })), true),
  read: (path) => inFolder(path, "read", (name) => readRegular(name, path)),
  makeFolder: (path) => inFolder(path, "make the folder", (name) => mkdir(name)),
  removeFolder: (path) => inFolder(path, "remove the folder", (name) => rmdir(name)),
  write: (path, bytes, mode, owner) =>
    inFolder(path, "write in", (name) => writeNew(name, bytes, mode, owner)),
  link: (from, to) => inFolder(to, "write", (name) => link(join(dirname(name), basename(from)), name)),
  rename: (from, to) => inFolder(to, "write", (name) => rename(join(dirname(name), basename(from)), name)),
  remove: (path) => inFolder(path, "delete", (name) => unlink(name)),
};

/** A name for a temporary file or a kept original beside `path`. */
export function besideName(path: string): string {
  return join(dirname(path), `.moho-patch-${randomBytes(8).toString("hex")}`);
}

/** Runs `act` with a name for `path` that leads through an open handle of its folder. */
function inFolder<T>(path: string, verb: string, act: (name: string) => Promise<T>): Promise<T>;
function inFolder<T>(
  path: string,
  verb: string,
  act: (name: string) => Promise<T>,
  missing: true,
): Promise<T | undefined>;
async function inFolder<T>(path: string, verb: string, act: (name: string) => Promise<T>, missing?: true) {
  const folder = dirname(path);
  let handle: Awaited<ReturnType<typeof open>> | undefined;
  try {
    if (constants.O_DIRECTORY !== undefined) {
      handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    }
    const held = handle && `/proc/self/fd/${handle.fd}`;
    const real = (held && (await readlink(held).catch(() => undefined))) ?? undefined;
    if ((real ?? (await realpath(folder))) !== folder) throw moved(folder);
    return await act(join(real === undefined ? folder : held!, basename(path)));
  } catch (error) {
    if (missing && (errno(error) === "ENOENT" || errno(error) === "ENOTDIR")) return undefined;
    throw failure(error, verb, path);
  } finally {
    await handle?.close();
  }
}

const yes = () => true;
const no = () => false;

async function readRegular(name: string, path: string): Promise<DiskFile> {
  // Without O_NONBLOCK, opening a named pipe would wait for a writer.
  const handle = await open(name, constants.O_RDONLY | NO_FOLLOW | (constants.O_NONBLOCK ?? 0));
  try {
    const stat = statOf(await handle.stat({ bigint: true }));
    if (stat.kind !== "file") throw new MohoError("invalid_patch", `${path}: not a regular file`);
    if (stat.size > LARGEST) throw new MohoError("invalid_patch", `${path}: larger than 64 MiB`);
    const writable = (stat.mode & 0o200) !== 0 && (await access(name, constants.W_OK).then(yes, no));
    return { stat, bytes: await handle.readFile(), writable };
  } finally {
    await handle.close();
  }
}

async function writeNew(
  name: string,
  bytes: Buffer,
  mode: number,
  owner: FileStat | undefined,
): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
  const handle = await open(name, flags, owner === undefined ? mode : 0o600);
  try {
    await handle.writeFile(bytes);
    if (owner !== undefined) {
      const now = await handle.stat();
      // Only root may give a file away; for others a file they may rewrite becomes theirs.
      if (now.uid !== owner.uid || now.gid !== owner.gid) {
        await handle.chown(owner.uid, owner.gid).catch(() => undefined);
      }
      await handle.chmod(mode);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function statOf(stats: BigIntStats): FileStat {
  const kind = stats.isFile()
    ? "file"
    : stats.isDirectory()
      ? "folder"
      : stats.isSymbolicLink()
        ? "link"
        : "other";
  const { dev, ino, size, mtimeNs } = stats;
  const mode = Number(stats.mode & 0o777n);
  return { kind, dev, ino, size, mtimeNs, mode, uid: Number(stats.uid), gid: Number(stats.gid) };
}

function errno(error: unknown): string {
  return (error as NodeJS.ErrnoException | undefined)?.code ?? "";
}

function moved(folder: string): MohoError {
  return new MohoError("conflict", `${folder} became a symbolic link while the patch was applied`);
}

const DENIED: Record<string, string> = {
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EROFS: "the file system is read-only",
  ELOOP: "it became a symbolic link",
};
const FAILED: Record<string, string> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  ENOTDIR: "a part of the path is a file, not a folder",
  ENAMETOOLONG: "the name is too long",
  EEXIST: "it appeared while the patch was applied",
  ENOENT: "it vanished while the patch was applied",
};

function failure(error: unknown, verb: string, path: string): MohoError {
  if (error instanceof MohoError) return error;
  const code = errno(error);
  const because = DENIED[code] ?? FAILED[code] ?? (code || "unexpected failure");
  const message = `cannot ${verb} ${verb.endsWith(" in") ? dirname(path) : path}: ${because}`;
  const details = { errno: code };
  if (code in DENIED) {
    const next = "Check the permissions of the path that the message names.";
    return new MohoError("access_denied", message, { cause: error, next, details });
  }
  if (code === "ENOTDIR" || code === "ENAMETOOLONG") {
    return new MohoError("invalid_patch", message, { cause: error, next: "Choose another path.", details });
  }
  if (code === "EEXIST" || code === "ENOENT")
    return new MohoError("conflict", message, { cause: error, details });
  const next = "Make room or repair the disk, then send the same patch again.";
  return new MohoError("internal", message, { cause: error, next, details });
}
