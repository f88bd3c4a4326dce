/** The larger tables beside the top level (codex-behaviour §1.3, §1.6). */

import { anything, either, flag, integer, list, map, number, open, table, text } from "../schema.ts";

export const agents = open(
  {
    enabled: flag(),
    max_threads: integer(1),
    max_concurrent_threads_per_session: integer(1),
    max_depth: integer(),
    default_subagent_model: text(),
    default_subagent_reasoning_effort: text(),
    job_max_runtime_seconds: integer(1),
    interrupt_message: flag(),
  },
  table({ description: text(), config_file: text(), nickname_candidates: list(text()) }),
);

export const permissionProfile = table({
  extends: text(),
  description: text(),
  workspace_roots: map(flag()),
  filesystem: open({ glob_scan_max_depth: integer() }),
  network: open({
    enabled: flag(),
    domains: map(text(["allow", "deny"])),
    unix_sockets: anything(),
    proxy_url: text(),
    socks_url: text(),
    enable_socks5: flag(),
    enable_socks5_udp: flag(),
    allow_local_binding: flag(),
    allow_upstream_proxy: flag(),
    dangerously_allow_non_loopback_proxy: flag(),
    dangerously_allow_all_unix_sockets: flag(),
    mitm: open({ hooks: anything(), actions: anything() }),
  }),
});

export const otel = open({
  environment: text(),
  exporter: anything(),
  trace_exporter: anything(),
  metrics_exporter: anything(),
  log_user_prompt: flag(),
  log_sse_deltas: flag(),
  log_agent_responses: flag(),
  log_guardian_assessments: flag(),
  span_attributes: anything(),
  tracestate: anything(),
  tool_result: anything(),
});

export const tui = open({
  notifications: either(flag(), list(text())),
  notification_method: text(),
  notification_condition: text(),
  animations: flag(),
  effects: anything(),
  rendering: anything(),
  show_tooltips: flag(),
  alternate_screen: anything(),
  theme: text(),
  status_line: anything(),
  status_line_use_colors: flag(),
  terminal_title: anything(),
  raw_output_mode: anything(),
  vim_mode_default: flag(),
  session_picker_view: text(),
  resume_cwd: text(),
  auto_recap: anything(),
  mouse_scroll_speed: anything(),
  copy_on_select: flag(),
  pet: anything(),
  pet_anchor: anything(),
  collapse_turn_details: flag(),
  sidebar_width_percent: integer(0, 100),
  keymap: anything(),
  presets: anything(),
});

export const memories = table({
  use_memories: flag(),
  generate_memories: flag(),
  dedicated_tools: flag(),
  disable_on_external_context: flag(),
  no_memories_if_mcp_or_web_search: flag(),
  extract_model: text(),
  consolidation_model: text(),
  consolidation_service_tier: text(),
  max_raw_memories_for_consolidation: integer(),
  max_unused_days: number(0),
  max_rollout_age_days: number(0),
  max_rollouts_per_startup: integer(),
  min_rollout_idle_hours: number(0),
  dual_write: flag(),
});

export const skills = table({
  include_instructions: flag(),
  bundled: table({ enabled: flag() }),
  max_context_tokens: integer(),
  config: list(table({ path: text(), name: text(), enabled: flag() })),
});

export const shellEnvironmentPolicy = table({
  inherit: text(["all", "core", "none"]),
  ignore_default_excludes: flag(),
  exclude: list(text()),
  set: map(text()),
  include_only: list(text()),
  filters: anything(),
  experimental_use_profile: flag(),
});

/** Moho's own; everything Codex does not know sits here, in `gateway` or in `agents`. */
export const moho = table({
  /** Dollars one run may spend; `--max-cost` overrides it. */
  max_cost_usd: number(0),
  /** Model calls of one turn; `--max-turns` overrides it. */
  max_turns: integer(1),
  /** Seconds one run may take; `--timeout` overrides it. */
  timeout_sec: number(0),
  /** What becomes of commands where no sandbox works: refused (default), or run unconfined. */
  sandbox_fallback: text(["refuse", "run"]),
});
