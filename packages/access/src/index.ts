/** Who is calling, and may they: SigV4 and Bedrock keys to a principal, IAM policies to a decision. */

export { type AccessControl, type AccessOptions, createAccess } from "./access.ts";
export type { Administration, KeyInfo, NewApiKey, PrincipalInfo } from "./administration.ts";
export { type CompiledPolicy, compilePolicy } from "./policy/compile.ts";
export { type PolicyDocument, parsePolicy, type Statement } from "./policy/document.ts";
export { evaluate, type Layer, type LayerKind, type Verdict } from "./policy/evaluate.ts";
export type * from "./ports.ts";
export { createSeal, type Seal } from "./seal.ts";
