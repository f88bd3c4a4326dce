/** No confinement: commands run as the user. For full access, for approved escalations, and where nothing better works. */

import { readFileSync } from "node:fs";
import { kill } from "node:process";
import type { Layer } from "./layer.ts";

export function none(): Layer {
  return {
    name: "none",
    obstacle: async () => undefined,
    enforced: () => ({ writes: false, reads: false, network: false, processes: false }),
    launch: ([file, ...args], { cwd, env }) => ({
      ...{ file: file ?? "", args, cwd, env, descriptors: [] },
      // The child leads a group of its own; descendants that left it are found, those whose parent has ended are not.
      kill: ({ pid }) => {
        if (pid !== undefined) for (const target of [...descendants(pid), -pid]) signal(target);
      },
      complaint: undefined,
      unreached: () => false,
      ended: () => {},
    }),
    close: async () => {},
  };
}

/** From `/proc/<pid>/task/<pid>/children`; empty where there is no such file. */
function descendants(pid: number): number[] {
  const children = childrenOf(pid);
  return [...children, ...children.flatMap(descendants)];
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1")
      .trim()
      .split(" ")
      .filter(Boolean)
      .map(Number);
  } catch {
    return [];
  }
}

function signal(target: number): void {
  try {
    kill(target, "SIGKILL");
  } catch {
    // It has just ended.
  }
}
