/** The turn loop, its tools, threads and limits. */

export type { ApprovalPolicy, Approve, Decision } from "./approvals.ts";
export { type Files, nodeFiles } from "./files.ts";
export type { Limits } from "./limits.ts";
export { applyPatch } from "./patch/index.ts";
export type { RequestSettings } from "./request/request.ts";
export { createSessions, type Sessions } from "./sessions.ts";
export { createThread, latestThread, openThread, type Thread, type ThreadState } from "./thread/thread.ts";
export { uuidv7 } from "./thread/uuid.ts";
export { runTurn, type TurnDeps, type TurnInput, type TurnOptions } from "./turn.ts";
