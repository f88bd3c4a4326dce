/** The gateway's file: `[gateway]` of a TOML file as plain, checked data. Every fault names its line. */

import { dirname, resolve } from "node:path";
import {
  checked,
  integer,
  list,
  number,
  parseToml,
  readConfigFile,
  readTable,
  required,
  table,
  text,
  type ValueOf,
  withDefault,
} from "@moho/config";
import { MohoError } from "@moho/protocol";

const UPSTREAM_KINDS = ["bedrock-mantle", "openai-compatible", "scripted"] as const;

const upstream = table({
  name: required(text()),
  kind: required(text(UPSTREAM_KINDS)),
  region: text(),
  profile: text(),
  base_url: text(),
  api_key_env: text(),
  script: text(),
});

const route = table({ model: required(text()), upstream: required(text()), upstream_model: text() });

const price = table({
  model: required(text()),
  input: required(number(0)),
  output: required(number(0)),
  cache_read: number(0),
  cache_write: number(0),
  context_window: required(integer(1)),
  max_output: required(integer(1)),
});

const gateway = table({
  listen: withDefault(text(), "127.0.0.1:8080"),
  database_url: required(text()),
  seal_key_file: text(),
  account: required(
    checked(text(), (value) => (/^\d{12}$/.test(value) ? undefined : "must be twelve digits")),
  ),
  region: required(text()),
  regions: list(text()),
  alternate_hosts: list(text()),
  projects: withDefault(list(text()), []),
  free_models: withDefault(list(text()), []),
  synchronous: withDefault(text(["normal", "full"]), "normal"),
  upstreams: withDefault(list(upstream), []),
  routes: withDefault(list(route), []),
  prices: withDefault(list(price), []),
  limits: table({
    body_bytes: integer(1),
    bodies_bytes: integer(1),
    header_bytes: integer(1),
    headers_ms: integer(1),
    body_idle_ms: integer(1),
    body_ms: integer(1),
    keep_alive_ms: integer(1),
    lease_ms: integer(1),
    drain_stall_ms: integer(1),
    calls_per_principal: integer(1),
    drain_ms: integer(0),
  }),
});

const FILE = table({ gateway: required(gateway) });

export type GatewayConfig = NonNullable<ValueOf<typeof gateway>>;
export type UpstreamConfig = NonNullable<ValueOf<typeof upstream>>;

/** Reads and checks the file; relative paths in it are relative to its folder. Throws `invalid_config`. */
export async function readGatewayConfig(path: string): Promise<GatewayConfig> {
  const file = readConfigFile(path);
  if (file === undefined) throw new MohoError("invalid_config", `There is no file ${path}.`);
  const config = readTable(await parseToml(file, path), FILE).gateway;
  const near = (name: string | undefined) => name && resolve(dirname(path), name);
  const sqlite = /^sqlite:(?:\/\/)?([^/].*)$/.exec(config.database_url)?.[1];
  return {
    ...config,
    ...(sqlite && { database_url: `sqlite:${near(sqlite)}` }),
    seal_key_file: near(config.seal_key_file),
    upstreams: config.upstreams.map((one) => ({ ...one, script: near(one.script) })),
  };
}
