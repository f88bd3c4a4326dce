/** `npm run dev -- ARGS`: the command line straight from source. The launcher of a build does its own `--version`. */

import { readFileSync } from "node:fs";
import { start } from "./start.ts";

const [word, ...more] = process.argv.slice(2);
if ((word === "--version" || word === "-V") && more.length === 0) {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  console.log(`moho ${(JSON.parse(manifest) as { version: string }).version}`);
} else await start();
