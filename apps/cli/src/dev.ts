/** `npm run dev -- ARGS`: the command line straight from source. */

import { start } from "./start.ts";

await start();
