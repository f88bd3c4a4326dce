/** Positions of keys, and the reader of whole tables that the gateway's file goes through too. */

import { toMohoError } from "@moho/protocol";
import { describe, expect, expectTypeOf, test } from "vitest";
import {
  checked,
  either,
  flag,
  integer,
  list,
  map,
  parseToml,
  readTable,
  required,
  table,
  text,
  withDefault,
} from "../src/index.ts";

const EVERY_FORM = `# a comment with [brackets] and "quotes"
title = "a # b"   # trailing
bare-key_1 = 1
"quoted \\"key\\"" = 2
'literal.key' = 3
a.b . "c d" = 4
"\\u00e9" = 5
multi = """
x = [ not a key ]
\\""" still inside """
literal = '''
y = 1
''''
quotes = """two more quotes"""""
array = [ 1, 2, # [comment]
  "]", '#',
  [3, [4]],
]
inline = { x = 1, y.z = "}", w = [ { v = 1 }, { v = 2 } ] }
date = 1979-05-27T07:32:00Z

[table]
k = 1
  [table.sub."x.y"]   # indented
  k = 2

[[list]]
name = "first"
[list.more]
deep = 1
[[list]]
name = "second"
[[list.inner]]
v = 1
[[list.inner]]
v = 2
`;

/** Every path of a value, tables and elements included. */
function pathsOf(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== "object" || value === null || value instanceof Date) return [path];
  return Object.entries(value).flatMap(([key, each]) => {
    const next = [...path, Array.isArray(value) ? Number(key) : key];
    return [next, ...pathsOf(each, next)];
  });
}

test.each(["\n", "\r\n"])("every key of every form has its own position: %j", async (newline) => {
  const source = EVERY_FORM.replaceAll("\n", newline);
  const document = await parseToml(source, "f.toml");
  const lines = source.split("\n");
  const paths = pathsOf(document.table).filter((path) => path.length > 0);
  expect(paths.length).toBeGreaterThan(60);
  for (const path of paths) {
    const { line, column } = document.position(path);
    const rest = lines[line - 1]!.slice(column - 1);
    const at = `${JSON.stringify(path)} at ${line}:${column}`;
    const last = path.at(-1)!;
    if (typeof last === "number") expect(rest, at).toMatch(/^(?:["'[{\d])/);
    else if (rest.startsWith("[")) expect(rest, at).toContain(last);
    else expect(rest.replace(/\\u00e9/, "é").replaceAll('\\"', '"'), at).toContain(last);
  }
  expect(document.position(["list", 1, "inner", 1, "v"]).line).toBe(36);
  expect(document.position(["inline", "w", 1, "v"])).toEqual({ line: 19, column: 49 });
  expect(document.position(["table", "sub", "x.y", "k"])).toEqual({ line: 25, column: 3 });
});

test("the position of a key that is not there is that of the table around it", async () => {
  const document = await parseToml("\n[a.b]\nc = 1\n", "f.toml");
  expect(document.position(["a", "b", "missing"])).toEqual({ line: 2, column: 1 });
  expect(document.position(["missing"])).toEqual({ line: 1, column: 1 });
});

test("a hostile file is neither slow nor able to reach a prototype", async () => {
  const document = await parseToml("[__proto__]\npolluted = 1\n[constructor.prototype]\nx = 1\n", "f.toml");
  expect(document.position(["__proto__", "polluted"]).line).toBe(2);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  const keys = Array.from({ length: 20_000 }, (_, i) => `k${i} = [1, 2]`).join("\n");
  expect((await parseToml(keys, "f.toml")).position(["k19999", 1]).line).toBe(20_000);
  const deep = "a.".repeat(20_000);
  for (const source of [`a = ${"[".repeat(100_000)}`, `[${deep}a]`, `${deep}a = 1`]) {
    await expect(parseToml(source, "f.toml")).rejects.toMatchObject({ code: "invalid_config" });
  }
});

describe("readTable", () => {
  const GATEWAY = table({
    region: required(text()),
    listen: withDefault(text(), "127.0.0.1:8790"),
    limits: withDefault(table({ body_bytes: withDefault(integer(1), 26_214_400), lease_ms: integer(1000) }), {
      body_bytes: 1,
      lease_ms: undefined,
    }),
    upstreams: withDefault(
      map(table({ kind: required(text(["bedrock-mantle", "scripted"])), url: text() })),
      {},
    ),
    routes: list(
      table({ model: required(text()), upstream: required(text()), weight: withDefault(integer(), 1) }),
    ),
    free: either(flag(), list(text())),
    account: checked(text(), (id) => (/^\d{12}$/.test(id) ? undefined : "must be twelve digits")),
  });
  const read = async (source: string) => readTable(await parseToml(source, "gw.toml"), GATEWAY);

  test("fills in what is absent and gives the types of its fields", async () => {
    const settings = await read(`
      region = "us-east-1"
      [upstreams.a]
      kind = "scripted"
      [[routes]]
      model = "*"
      upstream = "a"
    `);
    expectTypeOf(settings.region).toEqualTypeOf<string>();
    expectTypeOf(settings.listen).toEqualTypeOf<string>();
    expectTypeOf(settings.account).toEqualTypeOf<string | undefined>();
    expectTypeOf(settings.upstreams["a"]!.kind).toEqualTypeOf<"bedrock-mantle" | "scripted">();
    expect(settings).toEqual({
      region: "us-east-1",
      listen: "127.0.0.1:8790",
      limits: { body_bytes: 1 },
      upstreams: { a: { kind: "scripted" } },
      routes: [{ model: "*", upstream: "a", weight: 1 }],
    });
    expect((await read('region = "x"\n[limits]\nlease_ms = 2000\n')).limits.body_bytes).toBe(26_214_400);
  });

  test("names every fault with its line, and the nearest known name", async () => {
    const source = `regoin = "us-east-1"
account = "12"
[limits]
body_bytes = 0
[upstreams.a]
kind = "openai"
[[routes]]
model = "*"
weight = 1.5
[[routes]]
model = 3
upstrem = "a"
`;
    const message = await read(source).then(String, (error: unknown) => toMohoError(error).message);
    expect(message.split("\n")).toEqual([
      "gw.toml:1:1: `regoin` is not a known setting (did you mean `region`?)",
      "gw.toml:2:1: `account` must be twelve digits",
      "gw.toml:4:1: `limits.body_bytes` is 0, less than 1",
      'gw.toml:6:1: `upstreams.a.kind` is "openai"; allowed: "bedrock-mantle", "scripted"',
      "gw.toml:9:1: `routes[0].weight` must be a whole number, not a number",
      "gw.toml:7:1: `routes[0].upstream` is required",
      "gw.toml:11:1: `routes[1].model` must be a string, not a number",
      "gw.toml:12:1: `routes[1].upstrem` is not a known setting (did you mean `routes[1].upstream`?)",
      "gw.toml:10:1: `routes[1].upstream` is required",
      "gw.toml:1:1: `region` is required",
    ]);
  });
});
