import { existsSync, readFileSync, statSync } from "node:fs";
import { plantCanaries, withTempHome } from "@moho/testkit";
import { expect, it } from "vitest";

it("a home lasts as long as its work, also when that fails", async () => {
  let path = "";
  await withTempHome(async (home) => {
    path = home.path;
    const file = await home.write("a/b.txt", "x");
    expect(readFileSync(file, "utf8")).toBe("x");
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });
  expect(existsSync(path)).toBe(false);
  await expect(
    withTempHome(async (home) => {
      path = home.path;
      throw new Error("work failed");
    }),
  ).rejects.toThrow("work failed");
  expect(existsSync(path)).toBe(false);
});

it("canaries are unique, lie where secrets lie, and are found in every dress", () =>
  withTempHome(async (home) => {
    const { env, secrets, find } = await plantCanaries(home);
    expect(new Set(secrets.values()).size).toBe(secrets.size);
    const credentials = readFileSync(env["AWS_SHARED_CREDENTIALS_FILE"]!, "utf8");
    expect(credentials).toContain(secrets.get("file:.aws/credentials#secret"));
    const secret = secrets.get("env:GITHUB_TOKEN")!;
    expect(env["GITHUB_TOKEN"]).toBe(secret);

    const dresses: Record<string, Buffer | string> = {
      plain: `x${secret}y`,
      bytes: Buffer.from(`\0${secret}`),
      hex: Buffer.from(secret).toString("hex"),
      base64: Buffer.from(secret).toString("base64"),
      "base64, shifted by one": Buffer.from(`:${secret}`).toString("base64"),
      "base64, shifted by two": Buffer.from(`u:${secret}`).toString("base64"),
    };
    for (const [name, bytes] of Object.entries(dresses))
      expect(find([{ name, bytes }])).toEqual([`env:GITHUB_TOKEN in ${name}`]);
    expect(find([{ name: "clean", bytes: "AKIACANARY0000000ENV canary" }])).toEqual([]);
    expect(find([{ name: "header", bytes: secret, allowed: ["env:GITHUB_TOKEN"] }])).toEqual([]);
  }));
