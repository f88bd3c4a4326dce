/**
 * `~/.aws/config` and `~/.aws/credentials`, read again when they change. Enough of their grammar to choose a source,
 * to find a region, and to take static keys without loading the AWS SDK.
 */

import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { CredentialWorld } from "./types.ts";

export type Section = Readonly<Record<string, string>>;

export interface Profiles {
  /** Both files merged; the credentials file wins. */
  profiles: ReadonlyMap<string, Section>;
  /** Changes whenever either file does. */
  fingerprint: string;
  paths: { config: string; credentials: string };
}

/** Reads both files, or gives back `previous` when neither changed. A missing file is an empty one. */
export async function readProfiles(
  world: Pick<CredentialWorld, "env" | "home">,
  previous?: Profiles,
): Promise<Profiles> {
  const paths = profilePaths(world);
  const fingerprint = `${await stamp(paths.config)} ${await stamp(paths.credentials)}`;
  if (previous?.fingerprint === fingerprint) return previous;
  const [config, credentials] = await Promise.all([text(paths.config), text(paths.credentials)]);
  const profiles = new Map<string, Section>();
  for (const [name, section] of parseIni(config)) {
    const profile = /^profile\s+"?([^"]+?)"?$/.exec(name)?.[1] ?? (name === "default" ? name : undefined);
    if (profile !== undefined) profiles.set(profile, section);
  }
  for (const [name, section] of parseIni(credentials))
    profiles.set(name, Object.assign(Object.create(null), profiles.get(name), section));
  return { profiles, fingerprint, paths };
}

export function profilePaths({ env, home }: Pick<CredentialWorld, "env" | "home">): Profiles["paths"] {
  const expand = (path: string): string => (path.startsWith("~/") ? join(home, path.slice(2)) : path);
  return {
    config: expand(env["AWS_CONFIG_FILE"] || join(home, ".aws", "config")),
    credentials: expand(env["AWS_SHARED_CREDENTIALS_FILE"] || join(home, ".aws", "credentials")),
  };
}

async function stamp(path: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(path);
    return `${mtimeMs}/${size}/${ino}`;
  } catch {
    return "-";
  }
}

async function text(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return "";
  }
}

/** Sections in order of appearance; indented lines below a key without a value belong to that key and are skipped. */
export function parseIni(source: string): [name: string, section: Section][] {
  const sections: [string, Record<string, string>][] = [];
  let nested = false;
  for (const raw of source.split(/\r?\n/)) {
    const line = raw.split(/(?:^|\s)[;#]/, 1)[0]!.trim();
    if (line === "") continue;
    if (line.startsWith("[") && line.endsWith("]")) {
      sections.push([line.slice(1, -1).trim(), Object.create(null) as Record<string, string>]);
      nested = false;
      continue;
    }
    const at = line.indexOf("=");
    const section = sections.at(-1)?.[1];
    if (at < 1 || !section) continue;
    if (nested && /^\s/.test(raw)) continue;
    const value = line.slice(at + 1).trim();
    nested = value === "";
    if (!nested) section[line.slice(0, at).trim()] = value;
  }
  return sections;
}
