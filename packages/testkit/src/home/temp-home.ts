/** A home folder that exists for the length of one test. */

import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export interface TempHome {
  /** Absolute, without symbolic links. */
  readonly path: string;
  /** Writes a file below the home, its folders too, readable by the owner alone. Returns its absolute path. */
  write(relative: string, text: string): Promise<string>;
}

/** Runs `work` with a fresh folder and removes it afterwards, whatever happened. */
export async function withTempHome<T>(work: (home: TempHome) => Promise<T>): Promise<T> {
  const path = await realpath(await mkdtemp(join(tmpdir(), "moho-home-")));
  const write = async (relative: string, text: string): Promise<string> => {
    const file = join(path, relative);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text, { mode: 0o600 });
    return file;
  };
  try {
    return await work({ path, write });
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}
