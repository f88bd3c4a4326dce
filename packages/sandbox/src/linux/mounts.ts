/** From a territory to the mounts of one command: pure. Parents come before children, the most special rule wins. */

import { dirname } from "node:path";
import { within } from "../paths.ts";
import type { Territory } from "../territory.ts";

export interface MountFacts {
  territory: Territory;
  /** Those of `territory.unreadable` that are directories. */
  hiddenDirectories: ReadonlySet<string>;
  /** Paths of `territory.absent` where an empty directory stands in. */
  held: readonly string[];
  /** Host sockets to cover. */
  sockets: readonly string[];
  /** Existing trees that start out empty (`/run`), and what of them stays visible. */
  emptied: readonly string[];
  kept: readonly string[];
}

type Rule = "write" | "keep" | "hide-directory" | "hide-file" | "empty" | "scratch" | "pin";

/** Bubblewrap arguments after the base mounts. */
export function mountArguments(facts: MountFacts): string[] {
  const rules = pinned(rulesOf(facts));
  const paths = [...rules.keys()].filter((path) => path !== "/").sort(byDepthThenName);
  const traversable = (path: string): boolean => paths.some((other) => other !== path && within(path, other));
  const mounts = paths.flatMap((path) => mount(rules.get(path)!, path, traversable(path)));
  const sealed = paths.filter((path) => ["hide-directory", "empty"].includes(rules.get(path)!));
  return [...mounts, ...sealed.flatMap((path) => ["--remount-ro", path])];
}

function mount(rule: Rule, path: string, traversable: boolean): string[] {
  switch (rule) {
    case "write":
    case "pin":
      return ["--bind", path, path];
    case "keep":
      return ["--ro-bind", path, path];
    case "hide-directory":
      return ["--perms", traversable ? "0111" : "0000", "--tmpfs", path];
    case "hide-file":
      return ["--ro-bind", "/dev/null", path]; // device files do not open on these mounts: permission denied
    case "empty":
      return ["--perms", "0555", "--tmpfs", path];
    case "scratch":
      return ["--tmpfs", path];
  }
}

function rulesOf(facts: MountFacts): Map<string, Rule> {
  const { territory } = facts;
  const rules = new Map<string, Rule>();
  const set = (paths: readonly string[], rule: Rule): void => {
    for (const path of paths) rules.set(path, rule);
  };
  const emptied = (path: string): boolean => [...facts.emptied, "/dev"].some((tree) => within(tree, path));
  const gone = (path: string): boolean =>
    emptied(path) && ![...territory.roots, ...territory.writable].some((area) => within(area, path));
  set(facts.emptied, "scratch");
  set(facts.kept, "keep");
  set(territory.roots.filter(emptied), "keep");
  set(territory.writable, "write");
  set(
    ["/sys"].filter((path) => territory.writable.includes("/") && !rules.has(path)),
    "keep",
  );
  set(territory.readOnly, "keep");
  set(facts.held, "empty");
  set(
    facts.sockets.filter((path) => !gone(path)),
    "hide-file",
  );
  for (const path of territory.unreadable) {
    if (!gone(path)) rules.set(path, facts.hiddenDirectories.has(path) ? "hide-directory" : "hide-file");
  }
  return rules;
}

/**
 * A mount follows its directory when a writable parent is renamed: the rule would move away with it and leave
 * its path free for a forgery. So the directories between a writable area and a rule below it become mount
 * points themselves, which cannot be renamed.
 */
function pinned(rules: Map<string, Rule>): Map<string, Rule> {
  const all = new Map(rules);
  for (const path of rules.keys()) {
    const between: string[] = [];
    let above = dirname(path);
    while (above !== "/" && !rules.has(above)) {
      between.push(above);
      above = dirname(above);
    }
    if (rules.get(above) === "write") for (const directory of between) all.set(directory, "pin");
  }
  return all;
}

function byDepthThenName(left: string, right: string): number {
  const depth = (path: string): number => path.split("/").length;
  return depth(left) - depth(right) || (left < right ? -1 : 1);
}
