/** Appends to an SQLite log until it is killed and says each record that it was promised: `node append-sqlite.ts PATH`. */

import { once } from "node:events";
import { openStore } from "@moho/store";

const { log } = await openStore(`sqlite:${process.argv[2]}`);
// Whoever started it may be gone: it ends with its parent, and it never fills a disk.
process.stdin.on("close", () => process.exit()).resume();
for (let index = 0; index < 20_000; index++) {
  const stream = `s${index % 3}`;
  const [record] = await log.append(stream, [
    JSON.stringify({ index, pad: "é".repeat((index * 37) % 5000) }),
  ]);
  if (!process.stdout.write(`${stream} ${record?.seq} ${record?.hash}\n`))
    await once(process.stdout, "drain");
}
