/** `--json`: every event as one line on stdout, unchanged. */

import type { Output } from "../../context.ts";
import type { View } from "./human.ts";

export function jsonView(stdout: Output): View {
  return {
    header: () => undefined,
    usage: () => undefined,
    event: (event) => void stdout.write(`${JSON.stringify(event)}\n`),
  };
}
