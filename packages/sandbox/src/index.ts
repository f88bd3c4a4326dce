/** Environments: where tools act. */

export {
  type CommandMarkers,
  commandEnvironment,
  type EnvironmentPolicy,
} from "./command-environment.ts";
export { createEnvironment, type EnvironmentOptions } from "./environment.ts";
export { loginEnvironment } from "./login-environment.ts";
export type {
  CommandSpec,
  Environment,
  PathDecision,
  RunningProcess,
  SandboxMode,
  SandboxPolicy,
  SandboxReport,
} from "./ports.ts";
export { type SandboxStatus, sandboxStatus } from "./status.ts";
