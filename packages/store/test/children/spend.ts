/** Reserves and settles until its turns are done, dying at any moment: `node spend.ts PATH NAME TURNS LEASE_MS`. */

import { openStore } from "@moho/store";

const [, , path, name, turns, lease] = process.argv;
const { ledger, log, close } = await openStore(`sqlite:${path}`);
const scopes = ["org", `key/${name}`];

async function turn(number: number): Promise<void> {
  const id = `${name}/${number}`;
  const amount = 20 + ((number * 7919) % 80);
  const at = Date.now();
  const answer = await ledger.reserve({ id, scopes, amount, least: 10, at, leaseUntil: at + Number(lease) });
  process.stdout.write(`${id} ${answer.ok ? answer.amount : "refused"}\n`);
  if (!answer.ok || number % 5 === 0) return; // every fifth is never settled: its lease has to end it
  const spent = answer.amount - (number % 10);
  await Promise.all([
    ledger.settle(id, { amount: Math.max(0, spent), usage: undefined, quality: "final" }),
    log.append("audit", [JSON.stringify({ id })]),
  ]);
}

for (let number = 1; number <= Number(turns); number += 4) {
  await Promise.all([turn(number), turn(number + 1), turn(number + 2), turn(number + 3)]);
}
await close();
