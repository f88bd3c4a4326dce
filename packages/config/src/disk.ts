/** Reads configuration files from the disk. */

import { isUtf8 } from "node:buffer";
import { existsSync, readFileSync } from "node:fs";
import { MohoError } from "@moho/protocol";

/** Undefined when there is no such file. Throws `invalid_config` when it cannot be read or is not UTF-8. */
export function readConfigFile(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT") return undefined;
    throw new MohoError("invalid_config", `${path}: cannot be read (${code})`, { cause });
  }
  if (!isUtf8(bytes)) throw new MohoError("invalid_config", `${path}: the file is not UTF-8`);
  return bytes.toString();
}
