/** A start with static keys or a bearer token loads no AWS SDK, no undici, no fetch and no TLS. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { says, startScriptedModel, withTempHome } from "@moho/testkit";
import { expect, test } from "vitest";
import { keysFile } from "./aws-world.ts";

test.each([
  ["keys in the environment", { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "x" }],
  ["a bearer token", { AWS_BEARER_TOKEN_BEDROCK: "ABSKx" }],
  ["keys in a profile", {}],
])("%s", async (_name, env) => {
  const model = await startScriptedModel([{ items: [says("hello")] }]);
  await withTempHome(async (home) => {
    await home.write(".aws/credentials", keysFile("AKIDPROFILE"));
    const child = fork(new URL("./child-lean.ts", import.meta.url), [model.url, home.path], {
      env: { PATH: process.env["PATH"], ...env },
      execArgv: [],
    });
    const [message] = await once(child, "message");
    expect(message).toEqual({ last: "completed", packages: [], undici: false, https: false });
  }).finally(() => model.close());
});
