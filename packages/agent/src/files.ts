/** Reading the disk: what `view_image` and AGENTS.md discovery need of it. */

import { constants } from "node:fs";
import { access, open } from "node:fs/promises";

export interface Files {
  /**
   * The first `limit` bytes of a regular file and its whole size; `undefined` when there is no such file. Does not
   * follow a symlink in the last name: callers pass a path whose links were resolved by a decision.
   */
  read(path: string, limit: number): Promise<{ bytes: Buffer; size: number } | undefined>;
  exists(path: string): Promise<boolean>;
}

export const nodeFiles: Files = {
  async read(path, limit) {
    const handle = await open(path, constants.O_RDONLY | NO_FOLLOW | NO_WAIT).catch(missing);
    if (!handle) return undefined;
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) return undefined;
      const bytes = Buffer.alloc(Math.min(stat.size, limit));
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
      return { bytes: bytes.subarray(0, bytesRead), size: stat.size };
    } finally {
      await handle.close();
    }
  },
  exists: (path) =>
    access(path).then(
      () => true,
      () => false,
    ),
};

const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;
/** A named pipe without a writer must not hang the turn. */
const NO_WAIT = constants.O_NONBLOCK ?? 0;

function missing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT" || error.code === "ENOTDIR" || error.code === "ELOOP" || error.code === "ENXIO")
    return undefined;
  throw error;
}
