/** Appends to an SQLite log for ever and says each record that it was promised: `node append-sqlite.ts PATH`. */

import { openStore } from "@moho/store";

const { log } = await openStore(`sqlite:${process.argv[2]}`);
for (let index = 0; ; index++) {
  const stream = `s${index % 3}`;
  const [record] = await log.append(stream, [
    JSON.stringify({ index, pad: "é".repeat((index * 37) % 5000) }),
  ]);
  process.stdout.write(`${stream} ${record?.seq} ${record?.hash}\n`);
}
