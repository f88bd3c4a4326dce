/** Where programs are. */

import { accessSync, constants, statSync } from "node:fs";
import { join, resolve } from "node:path";

/** Directories only an administrator writes: a program planted in a workspace must not become the sandbox. */
const SYSTEM = ["/usr/bin", "/bin", "/usr/local/bin", "/run/current-system/sw/bin", "/usr/sbin", "/sbin"];

/** The path of a system program, without looking at any PATH. */
export function findProgram(name: string): string | undefined {
  return SYSTEM.map((directory) => join(directory, name)).find(isExecutable);
}

/** Why `program` cannot be started as `execvp` would; `undefined` when it can. */
export function programProblem(program: string, path: string | undefined, cwd: string): string | undefined {
  if (program === "") return "no command was given";
  const candidates = program.includes("/")
    ? [resolve(cwd, program)]
    : (path ?? SYSTEM.join(":")).split(":").map((directory) => resolve(cwd, directory, program));
  if (candidates.some(isExecutable)) return undefined;
  return program.includes("/")
    ? `${program} does not exist or is not executable`
    : `${program} was not found on PATH`;
}

/** Why a command cannot start in `cwd`; `undefined` when it can. */
export function directoryProblem(cwd: string): string | undefined {
  return statSync(cwd, { throwIfNoEntry: false })?.isDirectory()
    ? undefined
    : `the working directory ${cwd} does not exist`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
