/** Every key of `config.toml`: Codex 0.169's (codex-behaviour §1.3) and Moho's own tables. */

import {
  anything,
  checked,
  either,
  flag,
  integer,
  list,
  map,
  open,
  table,
  text,
  type ValueOf,
} from "../schema.ts";
import { mcpServer, modelProvider } from "./providers.ts";
import {
  agents,
  memories,
  moho,
  otel,
  permissionProfile,
  shellEnvironmentPolicy,
  skills,
  tui,
} from "./tables.ts";

const granularApprovals = table({
  granular: table({
    mcp_elicitations: flag(),
    rules: flag(),
    sandbox_approval: flag(),
    request_permissions: flag(),
    skill_approval: flag(),
  }),
});

const approvalPolicy = checked(either(text(), granularApprovals), (policy) => {
  if (typeof policy !== "string" || ["on-request", "never", "on-failure"].includes(policy)) return undefined;
  if (policy === "untrusted")
    return 'is "untrusted", which is no longer supported: remove it, or use "on-request"';
  return `is ${JSON.stringify(policy.slice(0, 60))}; allowed: "on-request", "never", or a table with \`granular\``;
});

export const SETTINGS_FIELDS = {
  // Model
  model: text(),
  review_model: text(),
  model_provider: text(),
  model_providers: map(modelProvider),
  model_context_window: integer(1),
  model_auto_compact_token_limit: integer(1),
  model_auto_compact_token_limit_scope: text(["total", "body_after_prefix"]),
  model_post_turn_compact_threshold_percent: integer(0, 100),
  model_reasoning_effort: text(),
  plan_mode_reasoning_effort: text(),
  model_reasoning_summary: text(["auto", "concise", "detailed", "none"]),
  model_verbosity: text(["low", "medium", "high"]),
  model_catalog_json: text(),
  model_instructions_file: text(),
  personality: text(),
  service_tier: text(),
  oss_provider: text(),
  openai_base_url: text(),
  chatgpt_base_url: text(),
  responses_api_metadata: map(text()),
  // Prompt and project documents
  instructions: text(),
  developer_instructions: text(),
  compact_prompt: text(),
  experimental_compact_prompt_file: text(),
  include_permissions_instructions: flag(),
  include_apps_instructions: flag(),
  include_collaboration_mode_instructions: flag(),
  include_environment_context: flag(),
  include_environment_context_time: flag(),
  project_doc_max_bytes: integer(),
  project_doc_fallback_filenames: list(text()),
  project_root_markers: list(text()),
  // Approvals and sandbox
  approval_policy: approvalPolicy,
  approvals_reviewer: text(["user", "auto_review", "guardian_subagent"]),
  auto_review: open({ policy: text(), circuit_break_action: text(["default", "strict"]) }),
  sandbox_mode: text(["read-only", "workspace-write", "danger-full-access"]),
  sandbox_workspace_write: table({
    writable_roots: list(text()),
    network_access: flag(),
    exclude_tmpdir_env_var: flag(),
    exclude_slash_tmp: flag(),
  }),
  default_permissions: text(),
  permissions: map(permissionProfile),
  allow_login_shell: flag(),
  projects: map(open({ trust_level: text(["trusted", "untrusted"]) })),
  // Shell and tools
  shell_environment_policy: shellEnvironmentPolicy,
  background_terminal_max_timeout: integer(),
  tools: table({
    web_search: either(
      flag(),
      open({ context_size: text(), allowed_domains: list(text()), location: anything() }),
    ),
    client_search_provider: text(),
    experimental_request_user_input: open({ enabled: flag() }),
    update_plan: table({ enabled: flag() }),
  }),
  web_search: text(["disabled", "cached", "indexed", "live"]),
  tool_output_token_limit: integer(1),
  tool_suggest: anything(),
  // MCP
  mcp_servers: map(mcpServer),
  mcp_oauth_credentials_store: text(),
  mcp_oauth_callback_port: integer(0, 65535),
  mcp_oauth_callback_url: text(),
  mcp_optional_startup_grace_ms: integer(),
  mcp_enterprise_managed_auth: open({ idp: anything() }),
  apps_mcp_product_sku: text(),
  // Agents, skills, plugins, memories
  agents,
  skills,
  plugins: map(open({ enabled: flag() })),
  marketplaces: map(
    open({ source_type: text(["git", "local"]), source: text(), ref: text(), sparse_paths: list(text()) }),
  ),
  memories,
  hooks: anything(),
  goals: open({ max_goal_token_budget: integer() }),
  apps: anything(),
  orchestrator: open({ skills: anything(), mcp: anything() }),
  // Session and output
  history: table({ persistence: text(["save-all", "none"]), max_bytes: integer() }),
  sqlite_home: text(),
  log_dir: text(),
  file_opener: text(),
  notify: list(text()),
  thread_unload_delay_secs: integer(),
  hide_agent_reasoning: flag(),
  show_raw_agent_reasoning: flag(),
  ghost_snapshot: anything(),
  tui,
  notice: anything(),
  disable_paste_burst: flag(),
  check_for_update_on_startup: flag(),
  suppress_unstable_features_warning: flag(),
  // Telemetry and login
  analytics: open({ enabled: flag() }),
  feedback: open({ enabled: flag() }),
  otel,
  forced_login_method: text(["chatgpt", "api"]),
  forced_chatgpt_workspace_id: anything(),
  cli_auth_credentials_store: text(["file", "keyring", "auto", "ephemeral"]),
  // Known by name only
  features: anything(),
  windows: anything(),
  browser_use: anything(),
  computer_use: anything(),
  desktop: anything(),
  audio: anything(),
  realtime: anything(),
  cloud: anything(),
  daybreak: anything(),
  allow_symlinked_codex_home: flag(),
  // Dead, and misleading enough to stop for
  profile: checked(text(), (name) => `is no longer a setting: start with \`--profile ${name}\``),
  // Moho's own
  moho,
  gateway: anything(),
};

export const SETTINGS = table(SETTINGS_FIELDS);

/** The typed view of a configuration: every known key, absent ones undefined. */
export type Settings = NonNullable<ValueOf<typeof SETTINGS>>;

/** Keys of older versions and common mistakes: what to do instead. */
export const RETIRED: Readonly<Record<string, string>> = {
  disable_response_storage: "it has no effect any more; remove it",
  commit_attribution: "it has no effect any more; remove it",
  tools_view_image: "the tool is always offered; remove it",
  "tools.view_image": "the tool is always offered; remove it",
  sandbox_permissions: "use `sandbox_workspace_write` or `permissions`",
  experimental_instructions_file: "use `model_instructions_file`",
  model_supports_reasoning_summaries: "the model decides; remove it",
  zsh_path: "it has no effect any more; remove it",
  debug: "it has no effect any more; remove it",
  profiles: "move each [profiles.NAME] to a file NAME.config.toml, without that header",
};

/** What holds when nobody says otherwise. */
export const DEFAULTS = {
  model_provider: "amazon-bedrock",
  project_doc_max_bytes: 32_768,
  project_doc_fallback_filenames: [],
  project_root_markers: [".git"],
  allow_login_shell: true,
};
