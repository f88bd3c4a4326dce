/** SigV4 (sign and verify), Bedrock API keys, ARNs, regions. Pure: clock and randomness are parameters. */

export { type Arn, formatArn, parseArn } from "./arn.ts";
export {
  type BearerKind,
  classifyBearer,
  MAX_SHORT_TERM_SECONDS,
  mintShortTermKey,
  newLongTermKey,
  parseShortTermKey,
  regionOfShortTermKey,
  type ShortTermKey,
  verifyShortTermKey,
} from "./bedrock-keys.ts";
export { describeRegion, type Endpoint, hostOf, MANTLE_REGIONS, REGIONS, type Region } from "./regions.ts";
export {
  type AwsCredentials,
  clockOffset,
  presignRequest,
  type SignableRequest,
  type SigningOptions,
  signRequest,
} from "./sign.ts";
export { SigningKeys } from "./signature.ts";
export {
  type RawRequest,
  readSignature,
  type SignatureClaim,
  type SignatureFailure,
  sameText,
  screenSignature,
  type Verification,
  type VerifyOptions,
  verifySignature,
} from "./verify.ts";
