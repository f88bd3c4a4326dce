/**
 * Holds the tree against `architecture.json`: who imports whom (values and types apart), purity, cycles,
 * sizes of files, functions, front doors and packages, and where `process` and `console` may appear.
 */

import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { parseAst } from "rolldown/parseAst";

interface Rule {
  values: string[];
  types: string[];
  pure?: boolean;
  alarm: number;
  ratchet?: number;
}
interface Architecture {
  packages: Record<string, Rule>;
  limits: { fileLines: number; functionLines: number; frontDoorLines: number };
  exemptFiles: string[];
}
interface Import {
  from: string;
  typeOnly: boolean;
}
interface Source {
  path: string;
  owner: string;
  lines: number;
  imports: Import[];
  longFunctions: string[];
  globals: string[];
}
interface Node {
  type: string;
  start: number;
  end: number;
  [key: string]: unknown;
}

const PURE_BUILTINS = new Set(["node:crypto", "node:buffer"]);
const FUNCTIONS = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);

/** Every problem found, one line each; empty when the tree is as drawn. */
export function checkArchitecture(root: string): string[] {
  const plan: Architecture = JSON.parse(readFileSync(join(root, "architecture.json"), "utf8"));
  const files = globSync(["packages/*/src/**/*.{ts,tsx}", "apps/*/src/**/*.{ts,tsx}"], { cwd: root }).sort();
  const sources = files.map((path) => readSource(root, path, plan));
  return [
    ...sources.flatMap((source) => importProblems(source, plan)),
    ...sources.flatMap((source) => sizeProblems(source, plan)),
    ...packageProblems(sources, plan),
    ...cycleProblems(sources),
    ...unfinishedProblems(root),
  ];
}

function ownerOf(path: string): string {
  const [top, name] = path.split("/");
  return top === "packages" ? name! : `apps/${name}`;
}

function readSource(root: string, path: string, plan: Architecture): Source {
  const text = readFileSync(join(root, path), "utf8");
  const source: Source = {
    path,
    owner: ownerOf(path),
    lines: text.split("\n").length,
    imports: [],
    longFunctions: [],
    globals: [],
  };
  const lineAt = (offset: number) => text.slice(0, offset).split("\n").length;
  const program = parseAst(text, { lang: path.endsWith("x") ? "tsx" : "ts" }) as unknown as Node;
  visit(program, (node) => {
    if (/^(Import|Export(Named|All))Declaration$/.test(node.type) && node["source"]) {
      const kind = (node["importKind"] ?? node["exportKind"]) === "type";
      const specifiers = (node["specifiers"] ?? []) as Node[];
      const allTypes =
        specifiers.length > 0 && specifiers.every((s) => (s["importKind"] ?? s["exportKind"]) === "type");
      source.imports.push({ from: (node["source"] as { value: string }).value, typeOnly: kind || allTypes });
    } else if (node.type === "ImportExpression" && typeof (node["source"] as Node)["value"] === "string") {
      source.imports.push({ from: (node["source"] as { value: string }).value, typeOnly: false });
    } else if (node.type === "TSImportType") {
      const from = (node["source"] ?? node["argument"]) as { value?: string; literal?: { value: string } };
      const value = from.value ?? from.literal?.value;
      if (value) source.imports.push({ from: value, typeOnly: true });
    } else if (FUNCTIONS.has(node.type)) {
      const lines = lineAt(node.end) - lineAt(node.start) + 1;
      if (lines > plan.limits.functionLines)
        source.longFunctions.push(`${path}:${lineAt(node.start)} a function of ${lines} lines`);
    } else if (node.type === "MemberExpression") {
      const object = node["object"] as { type: string; name?: string };
      if (object.type === "Identifier" && (object.name === "process" || object.name === "console"))
        source.globals.push(`${path}:${lineAt(node.start)} uses ${object.name}`);
    }
  });
  return source;
}

function visit(node: unknown, on: (node: Node) => void): void {
  if (Array.isArray(node)) {
    for (const child of node) visit(child, on);
  } else if (node && typeof node === "object") {
    if (typeof (node as Node).type === "string") on(node as Node);
    for (const child of Object.values(node)) if (child && typeof child === "object") visit(child, on);
  }
}

function importProblems(source: Source, plan: Architecture): string[] {
  const rule = plan.packages[source.owner];
  if (!rule) return [`${source.path}: ${source.owner} has no row in architecture.json`];
  const problems: string[] = [];
  for (const { from, typeOnly } of source.imports) {
    if (from.startsWith("@moho/")) {
      const target = from.split("/")[1]!;
      const entry = from.split("/").slice(2).join("/");
      if (entry.startsWith("src")) problems.push(`${source.path}: reaches into ${from}`);
      if (target === "protocol" || target === source.owner) continue;
      const allowed = typeOnly ? [...rule.values, ...rule.types] : rule.values;
      if (!allowed.includes(target) && !allowed.includes("*"))
        problems.push(
          `${source.path}: ${source.owner} may not import ${typeOnly ? "types" : "values"} of ${target}`,
        );
    } else if (from.startsWith(".")) {
      if (from.includes("..") && ownerOf(normalize(join(dirname(source.path), from))) !== source.owner)
        problems.push(`${source.path}: leaves its package by ${from}`);
    } else if (rule.pure && !PURE_BUILTINS.has(from)) {
      problems.push(`${source.path}: ${source.owner} is pure and may not import ${from}`);
    }
  }
  if (!source.owner.startsWith("apps/")) problems.push(...source.globals.map((g) => `${g}: only apps/ may`));
  return problems;
}

function sizeProblems(source: Source, plan: Architecture): string[] {
  if (plan.exemptFiles.includes(source.path)) return [];
  const problems = [...source.longFunctions];
  if (source.lines > plan.limits.fileLines) problems.push(`${source.path}: ${source.lines} lines`);
  const frontDoor = /^packages\/[^/]+\/src\/index\.ts$/.test(source.path);
  if (frontDoor && source.lines > plan.limits.frontDoorLines)
    problems.push(`${source.path}: a front door of ${source.lines} lines`);
  return problems;
}

function packageProblems(sources: Source[], plan: Architecture): string[] {
  const problems: string[] = [];
  for (const [name, rule] of Object.entries(plan.packages)) {
    const own = sources.filter((s) => s.owner === name && !plan.exemptFiles.includes(s.path));
    const lines = own.reduce((sum, s) => sum + s.lines, 0);
    if (rule.ratchet !== undefined && lines > rule.ratchet)
      problems.push(`${name}: ${lines} lines, past its ratchet of ${rule.ratchet}`);
    else if (lines > rule.alarm) console.log(`     note: ${name} has ${lines} lines (alarm ${rule.alarm})`);
  }
  return problems;
}

/** Cycles between files and between packages, type-only imports included. */
function cycleProblems(sources: Source[]): string[] {
  const files = new Map<string, string[]>();
  const packages = new Map<string, Set<string>>();
  for (const source of sources) {
    const local = source.imports.filter((i) => i.from.startsWith("."));
    files.set(
      source.path,
      local.map((i) => normalize(join(dirname(source.path), i.from))),
    );
    const uses = packages.get(source.owner) ?? new Set();
    for (const { from } of source.imports)
      if (from.startsWith("@moho/") && from.split("/")[1] !== source.owner) uses.add(from.split("/")[1]!);
    packages.set(source.owner, uses);
  }
  const byPackage = new Map([...packages].map(([name, uses]) => [name, [...uses]]));
  return [...cyclesIn(files), ...cyclesIn(byPackage)];
}

function cyclesIn(graph: Map<string, string[]>): string[] {
  const done = new Set<string>();
  const found: string[] = [];
  const walk = (name: string, path: string[]): void => {
    const at = path.indexOf(name);
    if (at >= 0) {
      found.push(`cycle: ${[...path.slice(at), name].join(" → ")}`);
    } else if (!done.has(name)) {
      for (const next of graph.get(name) ?? []) walk(next, [...path, name]);
      done.add(name);
    }
  };
  for (const name of graph.keys()) walk(name, []);
  return found;
}

/** Unfinished work and tests that do not run may not land. */
function unfinishedProblems(root: string): string[] {
  const marks = /\b(TODO|FIXME|XXX)\b|\b(it|test|describe)\.(skip|only|todo)\(/;
  return globSync(["{packages,apps}/*/{src,test}/**/*.{ts,tsx}", "{scripts,bench}/**/*.ts"], { cwd: root })
    .filter((path) => path !== "scripts/check/architecture.ts" && !path.includes("/fixtures/"))
    .flatMap((path) =>
      readFileSync(join(root, path), "utf8")
        .split("\n")
        .flatMap((line, index) => (marks.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : [])),
    );
}
