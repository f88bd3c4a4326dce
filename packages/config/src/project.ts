/** The project a folder belongs to, whether the user trusts it, and what its own files may set. */

import { dirname, join } from "node:path";
import { showPath } from "./path.ts";
import { isTable, type Table, type TomlDocument } from "./toml.ts";

export type Trust = "trusted" | "untrusted" | "unknown";

export interface Project {
  /** The first folder upwards with a root marker, or the working folder itself. */
  root: string;
  trust: Trust;
}

/** `settings` are the layers that a project cannot write. */
export function findProject(cwd: string, settings: Table, exists: (path: string) => boolean): Project {
  const markers = (settings["project_root_markers"] as string[] | undefined) ?? [];
  const root = foldersUp(cwd).find((folder) => markers.some((marker) => exists(join(folder, marker)))) ?? cwd;
  const projects = isTable(settings["projects"]) ? settings["projects"] : {};
  const level = (folder: string) =>
    Object.hasOwn(projects, folder) ? (projects[folder] as { trust_level?: Trust }).trust_level : undefined;
  return { root, trust: level(cwd) ?? level(root) ?? "unknown" };
}

/** Folders whose `.codex/config.toml` counts, lowest first. */
export function projectFolders(cwd: string, root: string): string[] {
  const folders = foldersUp(cwd);
  return folders.slice(0, folders.indexOf(root) + 1).reverse();
}

function foldersUp(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...foldersUp(parent)];
}

/**
 * Keys that a repository may never set, trusted or not: they would send prompts, credentials or records elsewhere,
 * run a program on their own, or widen trust.
 */
const NOT_FOR_PROJECTS = new Set([
  ...["model_provider", "model_providers", "openai_base_url", "chatgpt_base_url", "oss_provider"],
  ...["model_catalog_json", "responses_api_metadata", "notify", "profile", "profiles", "projects", "otel"],
  ...["sqlite_home", "log_dir", "forced_login_method", "forced_chatgpt_workspace_id"],
  ...["cli_auth_credentials_store", "mcp_oauth_credentials_store", "mcp_oauth_callback_port"],
  ...[
    "mcp_oauth_callback_url",
    "mcp_enterprise_managed_auth",
    "experimental_thread_store",
    "gateway",
    "moho",
  ],
]);

/** The document's table without the keys a project may not set, and a warning when there were some. */
export function projectTable(document: TomlDocument): { table: Table; warning: string | undefined } {
  const table: Table = Object.create(null);
  const dropped: string[] = [];
  for (const [key, value] of Object.entries(document.table)) {
    if (!NOT_FOR_PROJECTS.has(key)) table[key] = value;
    else dropped.push(`\`${showPath([key])}\` (line ${document.position([key]).line})`);
  }
  const warning = `${document.file}: a project may not set ${dropped.join(", ")}: ignored`;
  return { table, warning: dropped.length > 0 ? warning : undefined };
}
