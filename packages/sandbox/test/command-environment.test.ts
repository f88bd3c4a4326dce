import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { commandEnvironment, loginEnvironment } from "../src/index.ts";

const CALM = {
  NO_COLOR: "1",
  TERM: "dumb",
  PAGER: "cat",
  GIT_PAGER: "cat",
  GH_PAGER: "cat",
  GIT_TERMINAL_PROMPT: "0",
};

const PARENT = {
  PATH: "/usr/bin",
  HOME: "/home/u",
  LANG: "C.UTF-8",
  LC_TIME: "C",
  EDITOR: "vi",
  TERM: "xterm-256color",
  EMPTY: undefined,
  AWS_REGION: "eu-west-1",
  AWS_DEFAULT_REGION: "eu-west-1",
  AWS_PROFILE: "prod",
  AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
  AWS_SECRET_ACCESS_KEY: "s",
  AWS_SESSION_TOKEN: "s",
  AWS_BEARER_TOKEN_BEDROCK: "s",
  AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://169.254.170.23/v1",
  AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: "/var/run/t",
  AWS_WEB_IDENTITY_TOKEN_FILE: "/var/run/t",
  AWS_ROLE_ARN: "arn:aws:iam::1:role/r",
  aws_secret_access_key: "s",
  OPENAI_API_KEY: "s",
  ANTHROPIC_AUTH_TOKEN: "s",
  MOHO_DEV_SECRET_ACCESS_KEY: "s",
  MOHO_HOME: "/home/u/.moho",
  GITHUB_TOKEN: "s",
  npm_config_password: "s",
  DATABASE_URL: "postgres://u:hunter2hunter2@h/db",
};

test("by default: everything but what looks like a secret, and calm tools", () => {
  expect(commandEnvironment(PARENT)).toEqual({
    PATH: "/usr/bin",
    HOME: "/home/u",
    LANG: "C.UTF-8",
    LC_TIME: "C",
    EDITOR: "vi",
    AWS_REGION: "eu-west-1",
    AWS_DEFAULT_REGION: "eu-west-1",
    DATABASE_URL: "postgres://u:hunter2hunter2@h/db",
    ...CALM,
    MOHO: "1",
  });
});

test("core and none inherit less", () => {
  expect(commandEnvironment(PARENT, { inherit: "core" })).toEqual({
    ...{ PATH: "/usr/bin", HOME: "/home/u", LANG: "C.UTF-8", LC_TIME: "C" },
    ...CALM,
    MOHO: "1",
  });
  expect(commandEnvironment(PARENT, { inherit: "none", set: { A: "1" } })).toEqual({
    ...CALM,
    A: "1",
    MOHO: "1",
  });
});

test("provider credentials go whatever the policy says", () => {
  const open = commandEnvironment(PARENT, {
    ignoreDefaultExcludes: true,
    set: { AWS_SECRET_ACCESS_KEY: "x", Aws_Session_Token: "x", MOHO_KEY: "x", OTHER_TOKEN: "mine" },
    includeOnly: ["*"],
  });
  expect(open).toMatchObject({ GITHUB_TOKEN: "s", OTHER_TOKEN: "mine", AWS_REGION: "eu-west-1" });
  const left = Object.keys(open).filter((name) => /^(aws_|moho_|openai_|anthropic_)/i.test(name));
  expect(left.sort()).toEqual(["AWS_DEFAULT_REGION", "AWS_REGION"]);
});

test("values that carry a known secret go, under any name; short ones are no secrets", () => {
  const result = commandEnvironment(PARENT, { set: { COPY: "x-hunter2hunter2-y", ONE: "1" } }, {}, [
    "hunter2hunter2",
    "1",
    "",
  ]);
  expect(result).not.toHaveProperty("DATABASE_URL");
  expect(result).not.toHaveProperty("COPY");
  expect(result).toMatchObject({ ONE: "1" });
});

test("exclude, set and include_only are patterns without case, in that order", () => {
  const policy = {
    exclude: ["ed*", "L?NG"],
    set: { EDITOR: "ed", TERM: "vt100" },
    includeOnly: ["path", "EDITOR", "LANG"],
  };
  expect(commandEnvironment(PARENT, policy)).toEqual({
    ...CALM,
    PATH: "/usr/bin",
    EDITOR: "ed",
    TERM: "vt100",
    MOHO: "1",
  });
  expect(commandEnvironment({ "A.B": "1", AXB: "2" }, { exclude: ["a.b"] })).toEqual({
    AXB: "2",
    ...CALM,
    MOHO: "1",
  });
});

test("markers tell a command where it runs", () => {
  const markers = { threadId: "t1", toolCallId: "c1", networkDisabled: true };
  expect(commandEnvironment({}, {}, markers)).toEqual({
    ...CALM,
    MOHO: "1",
    MOHO_THREAD_ID: "t1",
    MOHO_TOOL_CALL_ID: "c1",
    MOHO_SANDBOX_NETWORK_DISABLED: "1",
  });
});

test("a variable named like an object's own property is only a variable", () => {
  const odd = JSON.parse('{"__proto__":"x","constructor":"y","toString":"z"}');
  const result = commandEnvironment(odd);
  expect(Object.keys(result)).toEqual(expect.arrayContaining(["constructor", "toString"]));
  expect(Object.getPrototypeOf(result)).toBe(Object.prototype);
});

test("the login environment is asked for once, noise and line breaks do no harm", async () => {
  const ask = loginEnvironment(
    shell(`echo noise; echo ran >> "$LOG"; export LEARNED="a\nb"; shift; eval "$2"`),
    parent(),
  );
  const first = await ask();
  expect(first["LEARNED"]).toBe("a\nb");
  expect(await ask()).toBe(first);
});

test.each(["exit 1", "echo nothing of use", "kill -9 $$"])(
  "a shell that gives no answer changes nothing: %s",
  async (script) => {
    const env = parent();
    expect(await loginEnvironment(shell(script), env)()).toBe(env);
  },
);

test("a shell that does not exist changes nothing", async () => {
  const env = parent();
  expect(await loginEnvironment("/nonexistent/zsh", env)()).toBe(env);
});

function parent(): Record<string, string> {
  return { PATH: "/usr/bin:/bin", LOG: "/dev/null" };
}

function shell(script: string): string {
  const directory = mkdtempSync("/var/tmp/moho-shell-");
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "shell");
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}
