/** Appends to a file log for ever and says each record that it was promised: `node append-files.ts FOLDER`. */

import { openFileLog } from "@moho/store";

const log = openFileLog(process.argv[2]!);
for (let index = 0; ; index++) {
  const stream = `s${index % 3}`;
  const body = JSON.stringify({ index, pad: "é".repeat((index * 37) % 5000) });
  const [record] = await log.append(stream, [body]);
  process.stdout.write(`${stream} ${record?.seq} ${record?.hash}\n`);
}
