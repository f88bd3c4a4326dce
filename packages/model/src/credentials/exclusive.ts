/** One process at a time: a lock file whose holder keeps it fresh, so that a dead holder's lock can be taken over. */

import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";

const BEAT_MS = 2_000;
const STALE_MS = 10_000;
const POLL_MS = 50;

/**
 * Runs `act` while no other process runs one under the same `name`. Waits for a living holder; takes over from one
 * that has not touched its lock for ten seconds. Where no lock file can be made, `act` runs without.
 */
export async function exclusively<T>(folder: string, name: string, act: () => Promise<T>): Promise<T> {
  const path = join(folder, `${name}.lock`);
  const owner = randomUUID();
  let taken = await take(folder, path, owner);
  while (taken === "held") {
    await breakStale(path);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    taken = await take(folder, path, owner);
  }
  if (taken === "impossible") return act();
  const beat = setInterval(() => void touch(path), BEAT_MS);
  try {
    return await act();
  } finally {
    clearInterval(beat);
    if ((await ownerOf(path)) === owner) await rm(path, { force: true });
  }
}

async function take(folder: string, path: string, owner: string): Promise<"taken" | "held" | "impossible"> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(path, owner, { flag: "wx", mode: 0o600 });
    return "taken";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EEXIST" ? "held" : "impossible";
  }
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => {});
}

/** Moves a stale lock aside under a name of its own: of several that try, one succeeds. */
async function breakStale(path: string): Promise<void> {
  try {
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs < STALE_MS) return;
    const aside = `${path}.${randomUUID()}`;
    await rename(path, aside);
    await rm(aside, { force: true });
  } catch {
    // It was released or taken over meanwhile: the next try will see.
  }
}

async function ownerOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return undefined;
  }
}
