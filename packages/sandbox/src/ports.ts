/** Where tools act: files and processes under a policy. */

export type SandboxMode = "read-only" | "workspace-write" | "danger-full-access";

export interface SandboxPolicy {
  mode: SandboxMode;
  /** Absolute; the first is the workspace. Writable in workspace-write. */
  roots: readonly string[];
  /** Commands may use the network. */
  network: boolean;
  /** Names directly under a root that stay read-only, also when absent (`.git`, `.codex`, `.agents`, `.aws`). */
  protectedNames: readonly string[];
  /** Absolute paths that commands may not even read (`~/.aws`, `~/.ssh`). */
  unreadable: readonly string[];
  /** The whole temporary directory is writable in workspace-write. */
  tmpWritable: boolean;
}

/** What is really enforced on this machine, said exactly. */
export interface SandboxReport {
  layer: "bubblewrap" | "landlock" | "seatbelt" | "restricted-token" | "none";
  enforced: { writes: boolean; reads: boolean; network: boolean; processes: boolean };
  /** Why stronger layers were not used; empty when the strongest works. */
  notes: string[];
}

export interface CommandSpec {
  argv: readonly string[];
  cwd: string;
  /** The whole environment of the child; nothing is inherited. */
  env: Readonly<Record<string, string>>;
  tty?: boolean;
  /** `empty`: nothing will be written, the command reads end of file. Default `open`; a terminal is always open. */
  input?: "open" | "empty";
  /** Overrides the environment's policy for this command (an approved escalation). */
  unsandboxed?: boolean;
}

export interface RunningProcess {
  readonly pid: number | undefined;
  /** Merged stdout and stderr, as it comes. One listener. */
  onOutput(listener: (chunk: Buffer) => void): void;
  write(bytes: string): void;
  closeInput(): void;
  /** Kills the whole process group / PID namespace. */
  kill(): void;
  /** Never rejects; `error` when the program could not be started. */
  readonly exited: Promise<{ code: number | null; signal: string | null; error?: string }>;
}

/** May a path be read or written by an in-process tool? The real path has every symlink resolved. */
export type PathDecision = { allowed: true; real: string } | { allowed: false; reason: string };

export interface Environment {
  readonly policy: SandboxPolicy;
  /** Probes once, lazily. */
  report(): Promise<SandboxReport>;
  start(command: CommandSpec): Promise<RunningProcess>;
  canRead(path: string): Promise<PathDecision>;
  canWrite(path: string): Promise<PathDecision>;
  close(): Promise<void>;
}
