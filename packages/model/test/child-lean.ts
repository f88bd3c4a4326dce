/** A process that makes one model call and tells which packages were loaded for it. */

import { registerHooks } from "node:module";

const loaded = new Set<string>();
registerHooks({
  load(url, context, next) {
    const name = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
    if (name && !name.startsWith("@moho/")) loaded.add(name);
    return next(url, context);
  },
});

const moho = await import("../src/index.ts");
const [baseUrl, home] = process.argv.slice(2) as [string, string];
const credentials = moho.createCredentials(
  { provider: "amazon-bedrock" },
  { env: process.env, home, lockFolder: `${home}/locks`, now: Date.now },
);
const model = moho.resolveModel({
  model: "gpt-5.6-sol",
  provider: "amazon-bedrock",
  region: "us-east-1",
  baseUrl,
  now: Date.now(),
});
const transport = moho.createNodeTransport();
const upstream = moho.createBedrockMantle({
  name: "m",
  region: "us-east-1",
  baseUrl,
  credentials,
  transport,
  now: Date.now,
});
const client = moho.createModelClient({ upstream, model, credentials });
let last = "";
for await (const event of client.stream(
  { model: "m", input: "hi" },
  { signal: new AbortController().signal },
))
  last = event.type;
const builtins = (process as unknown as { moduleLoadList: string[] }).moduleLoadList;
process.send?.({
  last,
  packages: [...loaded],
  undici: builtins.some((name) => name.includes("deps/undici")),
  https: builtins.includes("NativeModule https"),
});
transport.close();
process.disconnect();
