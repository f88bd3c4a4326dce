/** `model_providers.<id>` and `mcp_servers.<id>` (codex-behaviour §1.4, §1.5). */

import { checked, either, flag, integer, list, map, number, open, table, text } from "../schema.ts";

const credentialCommand = {
  command: checked(text(), (command) =>
    !/[\\/]/.test(command) || /^(?:[/\\]|[A-Za-z]:[\\/])/.test(command)
      ? undefined
      : "must be an absolute path or a bare name",
  ),
  args: list(text()),
  timeout_ms: integer(1),
};

export const modelProvider = table({
  name: text(),
  base_url: text(),
  model_catalog_url: text(),
  env_key: text(),
  env_key_instructions: text(),
  experimental_bearer_token: text(),
  auth: table({
    command: text(),
    args: list(text()),
    timeout_ms: integer(1),
    refresh_interval_ms: integer(),
    cwd: text(),
  }),
  gateway_oauth: open({ authorization_url: text(), token_url: text(), client_id: text() }),
  credential_export: table(credentialCommand),
  aws: table({
    profile: text(),
    region: text(),
    credential_export: table(credentialCommand),
    auth_refresh: table({
      command: checked(text(), (command) => (command === "aws" ? undefined : 'must be "aws"')),
      args: list(text()),
      timeout_ms: integer(1),
    }),
  }),
  project_id: text(),
  location: text(),
  credential_file: text(),
  wire_api: checked(text(), (api) =>
    api === "responses"
      ? undefined
      : `is "${api.slice(0, 20)}", which is no longer supported; use "responses" or leave it out`,
  ),
  query_params: map(text()),
  http_headers: map(text()),
  env_http_headers: map(text()),
  request_max_retries: integer(0, 100),
  stream_max_retries: integer(0, 100),
  stream_idle_timeout_ms: integer(1),
  websocket_connect_timeout_ms: integer(1),
  requires_openai_auth: flag(),
  supports_websockets: flag(),
  supports_standalone_web_search: flag(),
  capabilities: open({ external_web_access: flag(), remote_compaction: text(["unsupported", "v2"]) }),
  include_internal_metadata: flag(),
});

const approvalMode = text(["auto", "prompt", "writes", "approve"]);

export const mcpServer = table({
  enabled: flag(),
  required: flag(),
  startup_timeout_sec: number(0),
  startup_timeout_ms: integer(),
  tool_timeout_sec: number(0),
  enabled_tools: list(text()),
  disabled_tools: list(text()),
  default_tools_approval_mode: approvalMode,
  tools: map(table({ approval_mode: approvalMode, output_token_limit: integer() })),
  supports_parallel_tool_calls: flag(),
  tool_input_schema_max_bytes: integer(),
  startup_readiness: text(["connection", "catalog"]),
  omit_tools_from: list(text(["code_mode", "deferred", "direct"])),
  environment_id: text(),
  command: text(),
  args: list(text()),
  env: map(text()),
  env_vars: list(either(text(), table({ name: text(), source: text() }))),
  cwd: text(),
  url: text(),
  bearer_token: checked(text(), () => "may not stand in a file; name a variable with `bearer_token_env_var`"),
  bearer_token_env_var: text(),
  http_headers: map(text()),
  env_http_headers: map(text()),
  http_headers_helper: text(),
  auth: text(["oauth", "chatgpt", "ema_auth"]),
  scopes: list(text()),
  oauth_resource: text(),
  oauth: open({
    client_id: text(),
    client_secret: text(),
    callback_url: text(),
    callback_port: integer(0, 65535),
  }),
});
