/**
 * Linux namespaces through the system's `bwrap`: a read-only view of the disk with writable roots, private
 * `/proc`, `/dev` and `/run`, no capabilities, a system call filter and, with the network off, an empty one.
 */

import { closeSync } from "node:fs";
import { arch } from "node:process";
import { MohoError } from "@moho/protocol";
import { hold, isStandIn } from "../linux/holds.ts";
import { hasEnded, initOf, killSandbox, whenDead } from "../linux/lifetime.ts";
import { type MountFacts, mountArguments } from "../linux/mounts.ts";
import { openNameless, reopen } from "../linux/nameless.ts";
import { findObstacle } from "../linux/probe.ts";
import { seccompFilter } from "../linux/seccomp.ts";
import { boundSockets, mountedSockets, removeMadeUp } from "../linux/sockets.ts";
import { lstatOf, realPaths, within } from "../paths.ts";
import type { CommandSpec, SandboxPolicy } from "../ports.ts";
import { findProgram } from "../programs.ts";
import { survey, type Territory } from "../territory.ts";
import type { Layer } from "./layer.ts";

const NOT_INSTALLED =
  "bubblewrap is not installed: `apt-get install -y bubblewrap`, or your system's package of that name";

export interface BubblewrapOptions {
  /** An existing directory that commands cannot see: descriptors pass through nameless files made here. */
  scratch: string;
  /** Temporary directories, for `tmpWritable`. */
  tmp: readonly string[];
  /** The program; `undefined` looks in the system's directories. */
  program: string | undefined;
}

/** `/run` is full of sockets and secrets: it starts out empty, but for these. */
const EMPTIED = ["/run"];
const KEPT = ["/etc/resolv.conf", "/run/current-system", "/run/booted-system", "/run/opengl-driver"];

const NAMESPACES = [
  ..."--unshare-user --unshare-pid --unshare-ipc --unshare-uts --unshare-cgroup-try".split(" "),
  ..."--die-with-parent --new-session --cap-drop ALL".split(" "),
];

/** `/proc` is read-only as a whole: to root without capabilities its `sys` would be the host's, and writable. */
const KERNEL = "--dev /dev --proc /proc --remount-ro /proc".split(" ");

const PASSED = "--json-status-fd 3 --seccomp 4".split(" ");

export function bubblewrap(options: BubblewrapOptions): Layer {
  const program = options.program ?? findProgram("bwrap");
  const releases = new Set<Promise<void>>();
  const machine = once(surveyMachine);
  let filter: number | undefined;
  /** As 3, where bwrap writes what becomes of it, and 4, from where it reads the filter. */
  const descriptors = (): [status: number, filter: number] => {
    filter ??= openNameless(options.scratch, seccompFilter(arch) ?? new Uint8Array());
    return [openNameless(options.scratch, new Uint8Array()), reopen(filter)];
  };
  const obstacle = async (): Promise<string | undefined> => {
    if (program === undefined) return NOT_INSTALLED;
    if (seccompFilter(arch) === undefined)
      return `the system calls of ${arch} are not known, so none can be filtered`;
    const args = [...NAMESPACES, "--unshare-net", ...PASSED, "--ro-bind", "/", "/", ...KERNEL];
    return findObstacle(program, [...args, "--", "/bin/sh", "-c", ":"], descriptors());
  };

  return {
    name: "bubblewrap",
    obstacle: once(obstacle),
    enforced: (policy) => ({ writes: true, reads: true, network: !policy.network, processes: true }),
    launch: (argv, command, policy) => {
      const confinement = confine(survey(policy, options.tmp), policy, machine());
      const { loader, env } = splitEnvironment(command.env);
      const passed = descriptors();
      const [status] = passed;
      let over = false;
      const ended = (): void => {
        over = true;
        const releasing = whenDead(initOf(status))
          .then(confinement.release)
          .finally(() => releases.delete(releasing));
        releases.add(releasing);
        passed.forEach(closeSync);
      };
      return {
        file: program ?? "",
        args: [...confinement.args, ...loader, "--chdir", command.cwd, "--", ...argv],
        cwd: "/",
        env,
        descriptors: passed,
        kill: (child) => void killSandbox(child, () => (over ? undefined : initOf(status))),
        complaint: "bwrap: ",
        unreached: () => !hasEnded(status),
        ended,
      };
    },
    close: async () => {
      await Promise.all(releases);
      if (filter !== undefined) closeSync(filter);
      filter = undefined;
    },
  };
}

/** The sandbox for one command: what it takes on the disk is taken here, and given back by `release`. */
function confine(territory: Territory, policy: SandboxPolicy, machine: Machine) {
  refuseLinks(territory);
  const { absent, readOnly, writable, unreadable } = territory;
  const sockets = coveredSockets(territory, policy, machine.mounted);
  const holds = [...absent, ...readOnly.filter(isStandIn)].flatMap((path) => hold(path) ?? []);
  const held = holds.map(({ path }) => path);
  const hiddenDirectories = new Set(unreadable.filter((path) => lstatOf(path)?.isDirectory()));
  const network = policy.network ? [] : ["--unshare-net"];
  const root = [writable.includes("/") ? "--bind" : "--ro-bind", "/", "/"];
  const mounts = mountArguments({ ...machine, territory, hiddenDirectories, held, sockets });
  return {
    args: [...NAMESPACES, ...network, ...PASSED, ...root, ...KERNEL, ...mounts],
    release: async (): Promise<void> => {
      await Promise.all(holds.map((one) => one.release()));
      removeMadeUp(sockets.filter((path) => writable.some((area) => within(area, path))));
    },
  };
}

interface Machine extends Pick<MountFacts, "emptied" | "kept"> {
  mounted: readonly string[];
}

/** What does not change while the machine runs. */
function surveyMachine(): Machine {
  const emptied = EMPTIED.filter((tree) => lstatOf(tree)?.isDirectory());
  const kept = realPaths(KEPT).filter((path) => emptied.some((tree) => within(tree, path)));
  return { emptied, kept, mounted: mountedSockets() };
}

/**
 * With the network off every host socket is covered. With it on, commands share the host's list, and those in
 * the roots are left alone: they are the project's own, such as a database started by an earlier command.
 */
function coveredSockets(territory: Territory, policy: SandboxPolicy, mounted: readonly string[]): string[] {
  const own = (path: string): boolean => policy.network && territory.roots.some((root) => within(root, path));
  return realPaths([...boundSockets(), ...mounted]).filter((path) => !own(path));
}

/** Variables of the dynamic loader would act on bwrap itself, outside the sandbox: it sets them for the command. */
function splitEnvironment(env: CommandSpec["env"]): { loader: string[]; env: Record<string, string> } {
  const isLoader = (name: string): boolean => /^(LD_|GLIBC_|GCONV_)/.test(name);
  const entries = Object.entries(env);
  return {
    loader: entries.filter(([name]) => isLoader(name)).flatMap(([name, value]) => ["--setenv", name, value]),
    env: Object.fromEntries(entries.filter(([name]) => !isLoader(name))),
  };
}

function refuseLinks({ links }: Territory): void {
  if (links.length === 0) return;
  throw new MohoError(
    "sandbox_unavailable",
    `Commands cannot run in this workspace: ${links.join(", ")} is a symbolic link, and a protected name that is a link could be replaced by a command.`,
    { next: "Put the directory itself there instead of the link, or run the command outside the sandbox." },
  );
}

function once<Value>(make: () => Value): () => Value {
  let made: { value: Value } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
