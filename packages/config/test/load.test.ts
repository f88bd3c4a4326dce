/**
 * Every folder of `fixtures` is a case: `case.json` says how to start, `expected.json` what comes out, `error.txt` what
 * is said instead. `@ROOT@` in a file, and `ROOT` in what is expected, stand for the case's own folder.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { toMohoError } from "@moho/protocol";
import { expect, test } from "vitest";
import { type Config, loadConfig, readConfigFile } from "../src/index.ts";

const FIXTURES = join(import.meta.dirname, "fixtures");

interface Case {
  flags?: string[];
  profile?: string;
  strict?: boolean;
  trusted?: boolean;
  ignoreUser?: boolean;
  cwd?: string;
  codexHome?: string;
  /** Paths that exist without being in the folder, such as `.git`, which git would not keep. */
  markers?: string[];
}

function start(root: string): Promise<Config> {
  const { cwd, codexHome, markers = [], flags = [], ...options }: Case = readJson(join(root, "case.json"));
  const marked = new Set(markers.map((marker) => join(root, marker)));
  return loadConfig({
    ...options,
    home: join(root, "home"),
    codexHome: join(root, codexHome ?? "codex"),
    cwd: join(root, cwd ?? "work"),
    flags: flags.map((flag) => flag.replaceAll("@ROOT@", root)),
    systemFolders: [join(root, "etc/codex"), join(root, "etc/moho")],
    readFile: (path) => readConfigFile(path)?.replaceAll("@ROOT@", root),
    exists: (path) => marked.has(path) || (path.startsWith(root) && existsSync(path)),
  });
}

test.each(readdirSync(FIXTURES))("%s", async (name) => {
  const root = join(FIXTURES, name);
  const shown = (value: unknown) => JSON.parse(JSON.stringify(value ?? null).replaceAll(root, "ROOT"));
  const config = await start(root).catch(toMohoError);
  if (existsSync(join(root, "error.txt"))) {
    expect(config).toBeInstanceOf(Error);
    const { code, message } = toMohoError(config);
    expect(shown(`${code}: ${message}`)).toBe(readFileSync(join(root, "error.txt"), "utf8").trimEnd());
    return;
  }
  if (config instanceof Error) throw config;
  const expected = readJson(join(root, "expected.json")) as Record<string, Record<string, unknown>>;
  expect(shown(config.warnings)).toEqual(expected["warnings"]);
  for (const [key, value] of Object.entries(expected["values"] ?? {})) {
    expect(shown(config.value(key)), key).toEqual(value);
  }
  for (const [key, value] of Object.entries(expected["explain"] ?? {})) {
    expect(shown(config.explain(key)), key).toEqual(value);
  }
  if (expected["trust"]) expect(config.project.trust).toBe(expected["trust"]);
  if (expected["root"]) expect(shown(config.project.root)).toBe(expected["root"]);
  if (expected["files"]) expect(shown(config.files)).toEqual(expected["files"]);
});

test("nothing on Object.prototype is changed by any case", () => {
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, "utf8")) as T;
}
