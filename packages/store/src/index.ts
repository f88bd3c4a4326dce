/** The durable things: ports, and the back ends that make them. */

export { type ChainReport, verifyChain } from "./chain.ts";
export { type FileLogOptions, openFileLog, type TornRecord } from "./log/file.ts";
export { verifyStream } from "./log/verify.ts";
export { openStore, type StoreOptions } from "./open.ts";
export type * from "./ports.ts";
