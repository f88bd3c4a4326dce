/** Documents that a script can check are checked: the error table, links, commands the README names. */

import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ERRORS } from "@moho/protocol";

/** Every problem found, one line each. */
export function checkDocuments(root: string): string[] {
  return [...errorTable(root), ...links(root), ...readmeCommands(root), ...agentsLength(root)];
}

/** `docs/errors.md` has exactly the rows of the closed table, with the same values. */
function errorTable(root: string): string[] {
  const path = join(root, "docs/errors.md");
  const want = Object.entries(ERRORS).map(
    ([code, row]) =>
      `| \`${code}\` | ${row.status} | ${row.category} | ${row.retryable ? "yes" : "no"} | ${row.next} |`,
  );
  const have = existsSync(path)
    ? readFileSync(path, "utf8")
        .split("\n")
        .filter((line) => /^\| `/.test(line) && line.split("|").length === 7)
    : [];
  return [
    ...want.filter((line) => !have.includes(line)).map((line) => `docs/errors.md lacks: ${line}`),
    ...have.filter((line) => !want.includes(line)).map((line) => `docs/errors.md has too much: ${line}`),
  ];
}

/** Relative links in documents point at something. */
function links(root: string): string[] {
  return globSync(["*.md", "docs/**/*.md"], { cwd: root }).flatMap((path) =>
    [...readFileSync(join(root, path), "utf8").matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
      .filter((match) => !existsSync(join(root, dirname(path), match[1]!)))
      .map((match) => `${path}: dead link ${match[1]}`),
  );
}

/** Every `npm run x` in a document is a script; every `moho x` is a command. */
function readmeCommands(root: string): string[] {
  const scripts = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).scripts as Record<
    string,
    string
  >;
  const table = readFileSync(join(root, "apps/cli/src/commands/table.ts"), "utf8");
  const commands = new Set([...table.matchAll(/name: "([a-z-]+)"/g)].map((match) => match[1]));
  return globSync(["*.md", "docs/**/*.md"], { cwd: root }).flatMap((path) => {
    const text = readFileSync(join(root, path), "utf8");
    const missing = [...text.matchAll(/npm run ([a-z:-]+)/g)].filter((m) => !(m[1]! in scripts));
    const unknown = [...text.matchAll(/^(?:\$ |npx )?moho ([a-z-]+)/gm)].filter((m) => !commands.has(m[1]!));
    return [...missing, ...unknown].map((match) => `${path}: no such command: ${match[0]}`);
  });
}

function agentsLength(root: string): string[] {
  const path = join(root, "AGENTS.md");
  if (!existsSync(path)) return ["AGENTS.md is missing"];
  const lines = readFileSync(path, "utf8").split("\n").length;
  return lines > 150 ? [`AGENTS.md has ${lines} lines (150 at most)`] : [];
}
