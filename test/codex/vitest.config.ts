import { defineConfig } from "vitest/config";

/** `npm run test:codex`: the stock Codex binary (400 MB, installed on first use) against a running gateway. */
export default defineConfig({
  test: {
    include: ["test/codex/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 1,
  },
});
