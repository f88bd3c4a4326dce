/** Takes a model id apart, however it was written: Mantle id, Runtime id, profile id, ARN or bare name. */

import { type Arn, parseArn } from "@moho/aws";

export interface Spelling {
  /** As it was written, without surrounding white space. */
  text: string;
  /** Maker and name in lower case without prefix and version, `openai.gpt-5.6-sol`; a bare name has no maker. */
  core: string;
  /** The profile prefix without its dot: `us`, `global`… */
  prefix: string | undefined;
  arn: Arn | undefined;
  /** What the ARN names: `foundation-model`, `inference-profile`, `application-inference-profile`… */
  arnKind: string | undefined;
}

/** Profile prefixes (aws-wire §5.2). */
const PREFIX = /^(us-gov|us|eu|apac|jp|au|in|global)\./;
/** Providers' names in front, as other tools write model ids. */
const QUALIFIER =
  /^(?:amazon-bedrock-runtime|amazon-bedrock|bedrock-mantle|bedrock-runtime|bedrock|mantle)\//;
/** `-1:0`, `-v1:0`, `:0` of Runtime ids, and the `-v1` that only guides write. */
const VERSION = /(?:-v?\d+:\d+|:\d+|-v\d+)$/;

export function readSpelling(written: string): Spelling {
  const text = written.trim();
  const arn = parseArn(text);
  const slash = arn?.resource.indexOf("/") ?? -1;
  const arnKind = arn && slash > 0 ? arn.resource.slice(0, slash) : undefined;
  let id = (arn && slash > 0 ? arn.resource.slice(slash + 1) : text).toLowerCase().replace(QUALIFIER, "");
  const prefix = PREFIX.exec(id)?.[1];
  if (prefix !== undefined) id = id.slice(prefix.length + 1);
  return { text, core: id.replace("/", ".").replace(VERSION, ""), prefix, arn, arnKind };
}
