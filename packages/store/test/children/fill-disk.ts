/** Appends until writes fail, then something small: `node fill-disk.ts FOLDER`, under a limit on file sizes. */

import { MohoError } from "@moho/protocol";
import { openFileLog } from "@moho/store";

process.on("SIGXFSZ", () => {});
const log = openFileLog(process.argv[2]!);
const body = JSON.stringify("x".repeat(3000));
for (const bodies of [[body], [body], [body, body], ["1"]]) {
  try {
    const records = await log.append("s", bodies);
    process.stdout.write(`${records.at(-1)?.seq}\n`);
  } catch (error) {
    process.stdout.write(`${error instanceof MohoError ? error.code : error}\n`);
  }
}
