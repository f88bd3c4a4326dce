/** The suites that every back end of the store passes. */

export { documentsConformance } from "./documents.ts";
export type { DeclareTest, Instance, OpenInstance } from "./harness.ts";
export { ledgerConformance } from "./ledger.ts";
export { logConformance } from "./log.ts";
