/** Builds the configuration of one run from its layers (codex-behaviour §1.1, §1.2). */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { MohoError } from "@moho/protocol";
import { check, type Issue, invalidConfig, located } from "./check.ts";
import { readConfigFile } from "./disk.ts";
import { readFlags } from "./flags.ts";
import { advised } from "./hints.ts";
import { DEFAULTS, SETTINGS, type Settings } from "./keys/settings.ts";
import { type Explanation, explainIn, type Layer, type LayerKind, mergeLayers } from "./layers.ts";
import { type Path, parsePath, valueAt } from "./path.ts";
import { findProject, type Project, projectFolders, projectTable } from "./project.ts";
import { providerIssues } from "./providers.ts";
import { parseToml } from "./toml.ts";

export interface ConfigSources {
  /** `$MOHO_HOME`, absolute. */
  home: string;
  /** `$CODEX_HOME`, absolute: read as it is when `home` has no `config.toml`. */
  codexHome: string;
  /** Absolute, symlinks resolved. */
  cwd: string;
  /** The values of `-c`, in order. */
  flags?: readonly string[];
  /** `--profile`. */
  profile?: string;
  /** An unknown key is an error, not a warning. */
  strict?: boolean;
  /** Trust this project for this run (`--trust`). */
  trusted?: boolean;
  /** Skip the user's `config.toml` (`--ignore-user-config`); a profile that is asked for still counts. */
  ignoreUser?: boolean;
  /** Folders of the system layer, lowest first. */
  systemFolders?: readonly string[];
  /** Undefined for a missing file. */
  readFile?: (path: string) => string | undefined;
  exists?: (path: string) => boolean;
}

export interface Config {
  /** Every known key, typed; absent ones undefined. */
  settings: Settings;
  /** The value of a dotted key or list of keys, also of keys Moho does not know. */
  value(key: string | Path): unknown;
  /** Where a value comes from and what it hides. Values may be secrets. */
  explain(key: string | Path): Explanation;
  /** For people; nothing here stops the run. */
  warnings: string[];
  project: Project;
  /** Files that were read, lowest layer first. */
  files: { layer: LayerKind; file: string }[];
}

const SYSTEM_FOLDERS = ["/etc/codex", "/etc/moho"];
const NOT_ENFORCED = ["requirements.toml", "managed_config.toml"];

/**
 * Reads every layer, low to high: defaults, system, user, profile, project (when trusted), flags.
 * Throws one `invalid_config` that names every fault with file, line and column.
 */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  const { readFile = readConfigFile, exists = existsSync } = sources;
  const read = (kind: LayerKind, file: string) => readLayer(kind, file, readFile);
  const warnings = unenforced(sources, exists);

  const layers: Layer[] = [{ kind: "default", table: DEFAULTS, document: undefined }];
  for (const folder of sources.systemFolders ?? SYSTEM_FOLDERS) {
    layers.push(...(await read("system", join(folder, "config.toml"))));
  }
  layers.push(...(await userLayers(sources, read)));
  const flags = await readFlags(sources.flags ?? []);
  const own = checkedLayers([...layers, ...flags], sources.strict ?? false, warnings);

  const project = findProject(sources.cwd, mergeLayers(own), exists);
  if (sources.trusted) project.trust = "trusted";
  const projects = await projectLayers(sources, project, read, warnings);
  layers.push(...checkedLayers(projects, sources.strict ?? false, warnings), ...flags);

  const merged = mergeLayers(layers);
  refuse(providerIssues(merged).map((issue) => locatedIn(layers, issue)));
  const pathOf = (key: string | Path) => (typeof key === "string" ? parsePath(key) : key);
  return {
    settings: merged as Settings,
    value: (key) => valueAt(merged, pathOf(key)),
    explain: (key) => explainIn(layers, merged, pathOf(key)),
    warnings,
    project,
    files: layers.flatMap(({ kind, document }) => (document ? [{ layer: kind, file: document.file }] : [])),
  };
}

type Read = (kind: LayerKind, file: string) => Promise<Layer[]>;

async function readLayer(
  kind: LayerKind,
  file: string,
  readFile: (path: string) => string | undefined,
): Promise<Layer[]> {
  const text = readFile(file);
  if (text === undefined) return [];
  const document = await parseToml(text, file);
  return [{ kind, table: document.table, document }];
}

/** The user's own file, or Codex's where there is none; then the profile beside it. */
async function userLayers(
  { home, codexHome, profile, ignoreUser }: ConfigSources,
  read: Read,
): Promise<Layer[]> {
  const own = ignoreUser ? [] : await read("user", join(home, "config.toml"));
  const codex = ignoreUser || own.length > 0 ? [] : await read("user", join(codexHome, "config.toml"));
  const user = [...own, ...codex];
  if (profile === undefined) return user;
  if (!/^[\w.-]+$/.test(profile)) {
    throw new MohoError("invalid_config", `"${profile.slice(0, 60)}" is not a profile's name`, {
      next: "Use letters, digits, dots, dashes and underscores.",
    });
  }
  const folders = own.length > 0 ? [home] : [home, codexHome];
  const files = folders.map((folder) => join(folder, `${profile}.config.toml`));
  for (const file of files) {
    const layer = await read("profile", file);
    if (layer.length > 0) return [...user, ...layer];
  }
  const old = user[0]?.document;
  const moved =
    old && valueAt(old.table, ["profiles", profile]) !== undefined
      ? `; move [profiles.${profile}] (${old.file}:${old.position(["profiles", profile]).line}) there, without that header`
      : "";
  const message = `there is no profile "${profile}": no file ${files.join(" or ")}${moved}`;
  throw new MohoError("invalid_config", message, { next: "Create the file, or start without --profile." });
}

/** The project's files, nearest highest. Of an untrusted project not even the syntax is looked at. */
async function projectLayers(
  { cwd, codexHome, exists = existsSync }: ConfigSources,
  { root, trust }: Project,
  read: Read,
  warnings: string[],
): Promise<Layer[]> {
  const folders = projectFolders(cwd, root).map((folder) => join(folder, ".codex"));
  // The user's own folder is no project's, also where the home folder is a repository.
  const files = folders.filter((folder) => folder !== codexHome).map((folder) => join(folder, "config.toml"));
  if (trust !== "trusted") {
    const ignored = files.filter(exists);
    warnings.push(...ignored.map((file) => `${file}: ignored, because this project is not trusted`));
    return [];
  }
  const layers = (await Promise.all(files.map((file) => read("project", file)))).flat();
  return layers.map((layer) => {
    const { table, warning } = projectTable(layer.document!);
    if (warning !== undefined) warnings.push(warning);
    return { ...layer, table };
  });
}

/** Passes the layers on, once none has a wrong value. Unknown keys become warnings, one a file. */
function checkedLayers(layers: Layer[], strict: boolean, warnings: string[]): Layer[] {
  const faults: string[] = [];
  for (const layer of layers) {
    const issues = check(SETTINGS, layer.table);
    const wrong = issues.filter((issue) => issue.kind === "wrong");
    const unknown = issues.filter((issue) => issue.kind === "unknown").flatMap(advised);
    faults.push(...(strict ? [...wrong, ...unknown] : wrong).map((issue) => locatedIn([layer], issue)));
    if (strict || unknown.length === 0) continue;
    const lines = unknown.map((issue) => `\n  ${locatedIn([layer], issue)}`);
    warnings.push(
      `${unknown.length} unknown setting${unknown.length > 1 ? "s are" : " is"} ignored:${lines.join("")}`,
    );
  }
  refuse(faults);
  return layers;
}

function refuse(messages: readonly string[]): void {
  if (messages.length > 0) throw invalidConfig(messages);
}

/** Names the place in the highest layer that has the key. */
function locatedIn(layers: readonly Layer[], issue: Issue): string {
  const layer = layers.findLast(({ table }) => valueAt(table, issue.path) !== undefined) ?? layers.at(-1)!;
  return layer.document
    ? located(issue, layer.document)
    : `${layer.kind === "flag" ? "-c" : "defaults"}: ${issue.message}`;
}

function unenforced(sources: ConfigSources, exists: (path: string) => boolean): string[] {
  const files = (sources.systemFolders ?? SYSTEM_FOLDERS).flatMap((folder) =>
    NOT_ENFORCED.map((name) => join(folder, name)),
  );
  return files
    .filter(exists)
    .map((file) => `${file}: managed settings are not enforced by this version of Moho`);
}
