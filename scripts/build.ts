/** `npm run build`: bundles `apps/cli` into `apps/cli/dist`, one lazy chunk per command, minified for start-up. */

import { rmSync } from "node:fs";
import { rolldown } from "rolldown";

const root = new URL("../", import.meta.url).pathname;
const out = `${root}apps/cli/dist`;

rmSync(out, { recursive: true, force: true });
const bundle = await rolldown({
  input: { main: `${root}apps/cli/src/start.ts` },
  platform: "node",
  cwd: root,
  external: [/^node:/],
});
await bundle.write({
  dir: out,
  format: "esm",
  entryFileNames: "[name].js",
  chunkFileNames: "chunks/[name]-[hash].js",
  minify: true,
});
await bundle.close();
