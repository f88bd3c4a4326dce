/**
 * Regions, partitions and Bedrock's hosts. A region that is not listed gets the best guess and `known: false`:
 * new regions open more often than software is updated.
 */

interface PartitionRow {
  id: string;
  /** What its regions start with. */
  prefix: string;
  suffix: string;
  /** The suffix of services on AWS's newer domain, Mantle among them. */
  newSuffix: string;
}

/** The first row whose prefix fits; the last one fits all. */
const PARTITIONS: readonly PartitionRow[] = [
  { id: "aws-us-gov", prefix: "us-gov-", suffix: "amazonaws.com", newSuffix: "api.aws" },
  { id: "aws-cn", prefix: "cn-", suffix: "amazonaws.com.cn", newSuffix: "api.amazonwebservices.com.cn" },
  { id: "aws-eusc", prefix: "eusc-", suffix: "amazonaws.eu", newSuffix: "api.amazonwebservices.eu" },
  { id: "aws-iso", prefix: "us-iso-", suffix: "c2s.ic.gov", newSuffix: "api.aws.ic.gov" },
  { id: "aws-iso-b", prefix: "us-isob-", suffix: "sc2s.sgov.gov", newSuffix: "api.aws.scloud" },
  { id: "aws-iso-e", prefix: "eu-isoe-", suffix: "cloud.adc-e.uk", newSuffix: "api.cloud-aws.adc-e.uk" },
  { id: "aws-iso-f", prefix: "us-isof-", suffix: "csp.hci.ic.gov", newSuffix: "api.aws.hci.ic.gov" },
  { id: "aws", prefix: "", suffix: "amazonaws.com", newSuffix: "api.aws" },
];

/** Region id to AWS's name for the place. */
export const REGIONS: Readonly<Record<string, string>> = {
  "af-south-1": "Africa (Cape Town)",
  "ap-east-1": "Asia Pacific (Hong Kong)",
  "ap-east-2": "Asia Pacific (Taipei)",
  "ap-northeast-1": "Asia Pacific (Tokyo)",
  "ap-northeast-2": "Asia Pacific (Seoul)",
  "ap-northeast-3": "Asia Pacific (Osaka)",
  "ap-south-1": "Asia Pacific (Mumbai)",
  "ap-south-2": "Asia Pacific (Hyderabad)",
  "ap-southeast-1": "Asia Pacific (Singapore)",
  "ap-southeast-2": "Asia Pacific (Sydney)",
  "ap-southeast-3": "Asia Pacific (Jakarta)",
  "ap-southeast-4": "Asia Pacific (Melbourne)",
  "ap-southeast-5": "Asia Pacific (Malaysia)",
  "ap-southeast-6": "Asia Pacific (New Zealand)",
  "ap-southeast-7": "Asia Pacific (Thailand)",
  "ca-central-1": "Canada (Central)",
  "ca-west-1": "Canada West (Calgary)",
  "cn-north-1": "China (Beijing)",
  "cn-northwest-1": "China (Ningxia)",
  "eu-central-1": "Europe (Frankfurt)",
  "eu-central-2": "Europe (Zurich)",
  "eu-north-1": "Europe (Stockholm)",
  "eu-south-1": "Europe (Milan)",
  "eu-south-2": "Europe (Spain)",
  "eu-west-1": "Europe (Ireland)",
  "eu-west-2": "Europe (London)",
  "eu-west-3": "Europe (Paris)",
  "eusc-de-east-1": "AWS European Sovereign Cloud (Germany)",
  "il-central-1": "Israel (Tel Aviv)",
  "me-central-1": "Middle East (UAE)",
  "me-south-1": "Middle East (Bahrain)",
  "mx-central-1": "Mexico (Central)",
  "sa-east-1": "South America (Sao Paulo)",
  "us-east-1": "US East (N. Virginia)",
  "us-east-2": "US East (Ohio)",
  "us-gov-east-1": "AWS GovCloud (US-East)",
  "us-gov-west-1": "AWS GovCloud (US-West)",
  "us-west-1": "US West (N. California)",
  "us-west-2": "US West (Oregon)",
};

/** Regions with a Mantle endpoint (aws-wire §1.1). */
export const MANTLE_REGIONS: readonly string[] = [
  "ap-northeast-1",
  "ap-south-1",
  "ap-southeast-2",
  "ap-southeast-3",
  "eu-central-1",
  "eu-north-1",
  "eu-south-1",
  "eu-west-1",
  "eu-west-2",
  "sa-east-1",
  "us-east-1",
  "us-east-2",
  "us-gov-west-1",
  "us-west-2",
];

export interface Region {
  id: string;
  /** For example `aws-us-gov`; goes into ARNs. */
  partition: string;
  /** False when the region is not listed and `partition` is a guess by its prefix. */
  known: boolean;
  /** Whether the region is known to have a Mantle endpoint. */
  mantle: boolean;
}

export function describeRegion(id: string): Region {
  return {
    id,
    partition: partitionOf(id).id,
    known: Object.hasOwn(REGIONS, id),
    mantle: MANTLE_REGIONS.includes(id),
  };
}

export type Endpoint = "mantle" | "runtime" | "control" | "sts";

/** The host of an endpoint in a region, also in one that is not listed. */
export function hostOf(endpoint: Endpoint, region: string): string {
  const { suffix, newSuffix } = partitionOf(region);
  switch (endpoint) {
    case "mantle":
      return `bedrock-mantle.${region}.${newSuffix}`;
    case "runtime":
      return `bedrock-runtime.${region}.${suffix}`;
    case "control":
      return `bedrock.${region}.${suffix}`;
    case "sts":
      return `sts.${region}.${suffix}`;
  }
}

function partitionOf(region: string): PartitionRow {
  return PARTITIONS.find((row) => region.startsWith(row.prefix))!;
}
