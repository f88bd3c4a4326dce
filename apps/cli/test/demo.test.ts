/** `moho demo` proves itself or fails; here it also leaves no step of its plan open. */

import { withTempHome } from "@moho/testkit";
import { expect, test } from "vitest";
import { moho } from "./harness.ts";

test("ends with everything done, verified and ticked", async () => {
  await withTempHome(async (home) => {
    const ended = await moho(["demo"], { cwd: home.path, env: { HOME: home.path } });
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    expect(ended.stdout).toMatch(/Audit chain\n {2}intact: 6 records/);
    const ticks = ended.stderr.split("\n").filter((line) => /^[☐☑]/.test(line));
    expect(ticks.slice(-3)).toEqual(["☑ Run the tests", "☑ Repair slug()", "☑ Run the tests again"]);
  });
}, 60_000);
