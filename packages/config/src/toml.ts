/** TOML texts with positions. The parser is loaded when the first text needs it. */

import { MohoError } from "@moho/protocol";
import { keyOf, type Path } from "./path.ts";
import { keyPositions, type Position } from "./positions.ts";

export type Table = Record<string, unknown>;

export interface TomlDocument {
  /** As messages name it. */
  file: string;
  table: Table;
  /** Of the key, or of the nearest table around it. */
  position(path: Path): Position;
}

/** Far beyond any setting; it bounds everything that walks a document. */
const DEEPEST = 50;

/** Throws `invalid_config` with file, line and column. The message never quotes the text: it may hold secrets. */
export async function parseToml(text: string, file: string): Promise<TomlDocument> {
  const { parse, TomlError } = await import("smol-toml");
  let table: Table;
  try {
    table = parse(text, { maxDepth: DEEPEST });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.split("\n")[0]!.replace("Invalid TOML document: ", "");
    const where = `${file}:${error.line}:${error.column}`;
    throw new MohoError("invalid_config", `${where}: ${what}`, {
      details: { file, line: error.line, column: error.column },
    });
  }
  if (deeperThan(table, DEEPEST))
    throw new MohoError("invalid_config", `${file}: tables are nested too deeply`);
  let positions: Map<string, Position> | undefined;
  const position = (path: Path) => {
    positions ??= keyPositions(text);
    for (let length = path.length; length > 0; length--) {
      const found = positions.get(keyOf(path.slice(0, length)));
      if (found) return found;
    }
    return { line: 1, column: 1 };
  };
  return { file, table, position };
}

function deeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((each) => deeperThan(each, levels - 1));
}

/** A table as TOML tables are: keys and nothing inherited. */
export function isTable(value: unknown): value is Table {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
