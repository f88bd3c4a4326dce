/** `-c key=value`: the value is TOML, or plain text when it is not. */

import { MohoError } from "@moho/protocol";
import { type Layer, put } from "./layers.ts";
import { parsePath } from "./path.ts";
import { parseToml, type Table } from "./toml.ts";

/** One layer a flag; later ones are higher. Throws `invalid_config`. */
export function readFlags(flags: readonly string[]): Promise<Layer[]> {
  return Promise.all(flags.map(readFlag));
}

async function readFlag(flag: string): Promise<Layer> {
  const split = /^((?:[^"'=]|"(?:[^"\\]|\\.)*"|'[^']*')+)=(.*)$/s.exec(flag);
  if (!split) {
    throw new MohoError("invalid_config", `-c ${/^[\w.-]*/.exec(flag)![0]}: expected key=value`, {
      next: "Write for example -c model='openai.gpt-oss-120b'.",
    });
  }
  const path = parsePath(split[1]!.trim());
  let value = await flagValue(split[2]!.trim());
  for (const key of path.toReversed()) {
    const table: Table = Object.create(null);
    put(table, key, value);
    value = table;
  }
  return { kind: "flag", table: value as Table, document: undefined };
}

/** The common forms are read here; only the others need the TOML parser. */
async function flagValue(text: string): Promise<unknown> {
  if (text === "true" || text === "false") return text === "true";
  if (/^(?:0|[1-9]\d{0,14})$/.test(text)) return Number(text);
  if (/^"[^"\\\x00-\x1f]*"$/.test(text) || /^'[^'\x00-\x1f]*'$/.test(text)) return text.slice(1, -1);
  if (/^[A-Za-z_/][^\n"'[\]{}=,#]*$/.test(text)) return text;
  return parseToml(`value = ${text}`, "-c").then(
    ({ table }) => (Object.keys(table).length === 1 ? table["value"] : text),
    () => text,
  );
}
