/** Paths into settings: `model_providers.amazon-bedrock.base_url`, or the same as a list of keys. */

import { MohoError } from "@moho/protocol";

export type Path = readonly (string | number)[];

/** A string that tells paths apart, for maps. */
export function keyOf(path: Path): string {
  return JSON.stringify(path);
}

/** As TOML writes it; array elements in brackets. */
export function showPath(path: Path): string {
  let shown = "";
  for (const key of path) {
    if (typeof key === "number") shown += `[${key}]`;
    else shown += `${shown === "" ? "" : "."}${/^[\w-]+$/.test(key) ? key : JSON.stringify(key)}`;
  }
  return shown;
}

const PART = /\s*(?:([\w-]+)|"((?:[^"\\]|\\.)*)"|'([^']*)')\s*(\.|$)/y;

/** Reads a dotted path with optional quotes. Throws `invalid_config`. */
export function parsePath(text: string): string[] {
  const path: string[] = [];
  let more = true;
  for (let at = 0; more; at = PART.lastIndex) {
    PART.lastIndex = at;
    const part = PART.exec(text);
    if (!part) throw new MohoError("invalid_config", `"${text}" is not a setting's name`);
    path.push(part[1] ?? part[3] ?? (JSON.parse(`"${part[2]}"`) as string));
    more = part[4] === ".";
  }
  return path;
}

/** The value at a path, or undefined. Only own properties count. */
export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}
