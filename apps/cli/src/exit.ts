/** Exit codes by failure class: the table of `docs/exit-codes.md`. */

import type { ErrorCategory } from "@moho/protocol";

export const EXIT = {
  ok: 0,
  /** The turn ended in an error of the model, a tool or the network. */
  failed: 1,
  /** Bad usage or configuration. */
  usage: 2,
  /** Credentials are missing, wrong or expired. */
  authentication: 3,
  /** Denied by a policy or stopped by a budget or limit. */
  denied: 4,
  /** Stopped by the user. */
  interrupted: 130,
} as const;

export function exitCodeOf(category: ErrorCategory, code?: string): number {
  switch (category) {
    case "usage":
      return code === "unsupported_item" || code === "invalid_patch" ? EXIT.failed : EXIT.usage;
    case "authentication":
      return EXIT.authentication;
    case "permission":
    case "budget":
      return EXIT.denied;
    case "interrupted":
      return EXIT.interrupted;
    default:
      return EXIT.failed;
  }
}
