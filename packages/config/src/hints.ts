/** Says more about unknown keys: dead ones, misplaced ones, and those that are nobody's business. */

import type { Issue } from "./check.ts";
import { RETIRED, SETTINGS } from "./keys/settings.ts";
import { type Path, showPath } from "./path.ts";
import type { AnyField } from "./schema.ts";

/** The issue with the best advice there is; nothing for Codex's experiments, which come and go. */
export function advised(issue: Issue): Issue[] {
  const [first] = issue.path;
  if (issue.path.length === 1 && String(first).startsWith("experimental_")) return [];
  const shown = showPath(issue.path);
  const retired = Object.hasOwn(RETIRED, shown) ? RETIRED[shown] : undefined;
  if (retired !== undefined)
    return [{ ...issue, message: `\`${shown}\` is no longer a setting: ${retired}` }];
  if (issue.message.includes("did you mean")) return [issue];
  const place = findKey(SETTINGS, String(issue.path.at(-1)), []);
  return [
    place === undefined
      ? issue
      : { ...issue, message: `${issue.message} (did you mean \`${showPath(place)}\`?)` },
  ];
}

/** The first place in the table of known keys, outermost first, where a key of this name exists. */
function findKey(field: AnyField, name: string, path: Path): Path | undefined {
  const { shape } = field;
  if (shape.kind !== "table") return undefined;
  if (Object.hasOwn(shape.fields, name)) return [...path, name];
  for (const [key, each] of Object.entries(shape.fields)) {
    const found = findKey(each, name, [...path, key]);
    if (found) return found;
  }
  return undefined;
}
