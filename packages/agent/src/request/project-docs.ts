/**
 * AGENTS.md: the user's own from the home folder, then the project's from its root down to the working folder.
 * In each folder `AGENTS.override.md` wins over `AGENTS.md`.
 */

import { dirname, join } from "node:path";
import type { Environment } from "@moho/sandbox";
import type { Files } from "../files.ts";

export interface ProjectDocs {
  /** The home folder's text; `""` when there is none. */
  home: string;
  project: string;
  /** What the user must be told, for example that a file was cut. */
  warnings: string[];
}

const NAMES = ["AGENTS.override.md", "AGENTS.md"];
/** Bytes, for the home folder's file and for all of the project's together. */
const BUDGET = 32 * 1024;

/** Reads what applies in `cwd`. A file that the sandbox does not let commands read is not read here either. */
export async function readProjectDocs(
  deps: { files: Files; environment: Environment },
  cwd: string,
  home: string,
): Promise<ProjectDocs> {
  const warnings: string[] = [];
  const read = async (folder: string, budget: number) => {
    for (const name of NAMES) {
      const path = join(folder, name);
      if (!(await deps.files.exists(path))) continue;
      const decision = await deps.environment.canRead(path);
      const file = decision.allowed ? await deps.files.read(decision.real, budget) : undefined;
      if (!file)
        warnings.push(`${path} was not read: ${decision.allowed ? "it is no file" : decision.reason}`);
      else if (file.size > budget)
        warnings.push(`${path} was cut: ${budget} of its ${file.size} bytes fit the ${BUDGET} byte limit.`);
      if (file) return { path, text: wholeCharacters(file.bytes), bytes: file.bytes.length };
    }
    return undefined;
  };

  const own = await read(home, BUDGET);
  const parts: string[] = [];
  let left = BUDGET;
  for (const folder of await foldersDownTo(cwd, deps.files)) {
    const doc = folder === home ? undefined : await read(folder, left);
    if (!doc?.text.trim()) continue;
    left -= doc.bytes;
    parts.push(`# ${doc.path}\n\n${doc.text.trim()}`);
  }
  return { home: own?.text.trim() ?? "", project: parts.join("\n\n"), warnings };
}

/** From the project's root (the nearest folder with `.git`, else `cwd` itself) down to `cwd`. */
async function foldersDownTo(cwd: string, files: Files): Promise<string[]> {
  const folders: string[] = [];
  for (let folder = cwd; ; folder = dirname(folder)) {
    folders.unshift(folder);
    if (await files.exists(join(folder, ".git"))) return folders;
    if (dirname(folder) === folder) return [cwd];
  }
}

/** A cut may fall inside a character: what is left of it goes. */
function wholeCharacters(bytes: Buffer): string {
  return new TextDecoder().decode(bytes, { stream: true });
}
