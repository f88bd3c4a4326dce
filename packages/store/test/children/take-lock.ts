/** Waits for a file to appear, then claims the stream `s`: `node take-lock.ts FOLDER SIGNAL`. Holds it until stdin ends. */

import { existsSync } from "node:fs";
import { MohoError } from "@moho/protocol";
import { openFileLog } from "@moho/store";

const [, , folder, signal] = process.argv;
const log = openFileLog(folder!);
process.stdout.write("ready\n");
const pause = new Int32Array(new SharedArrayBuffer(4));
while (!existsSync(signal!)) Atomics.wait(pause, 0, 0, 1);
try {
  await log.append("s", [String(process.pid)]);
  process.stdout.write("won\n");
} catch (error) {
  process.stdout.write(`${error instanceof MohoError ? error.code : error}\n`);
}
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
