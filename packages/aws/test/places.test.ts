/** ARNs, regions, hosts, and the clock a server tells. */

import { clockOffset, describeRegion, formatArn, hostOf, MANTLE_REGIONS, parseArn, REGIONS } from "@moho/aws";
import { expect, it } from "vitest";

it("ARNs survive a round trip, and other text is none", () => {
  for (const text of [
    "arn:aws:bedrock:us-east-1::foundation-model/openai.gpt-oss-120b-1:0",
    "arn:aws-us-gov:bedrock-mantle:us-gov-west-1:123456789012:project/default",
    "arn:aws:iam::123456789012:user/a/b",
  ])
    expect(formatArn(parseArn(text)!)).toBe(text);
  expect(parseArn("arn:aws:bedrock:us-east-1::foundation-model/m:0")).toEqual({
    partition: "aws",
    service: "bedrock",
    region: "us-east-1",
    account: "",
    resource: "foundation-model/m:0",
  });
  for (const text of ["", "arn", "arn:aws:bedrock:us-east-1:1", "arn:::::x", "urn:aws:a:b:c:d"])
    expect(parseArn(text), text).toBeUndefined();
});

it.each([
  ["us-east-1", "aws", true, "bedrock-mantle.us-east-1.api.aws", "sts.us-east-1.amazonaws.com"],
  [
    "us-gov-west-1",
    "aws-us-gov",
    true,
    "bedrock-mantle.us-gov-west-1.api.aws",
    "sts.us-gov-west-1.amazonaws.com",
  ],
  [
    "cn-north-1",
    "aws-cn",
    true,
    "bedrock-mantle.cn-north-1.api.amazonwebservices.com.cn",
    "sts.cn-north-1.amazonaws.com.cn",
  ],
  [
    "us-gov-moon-9",
    "aws-us-gov",
    false,
    "bedrock-mantle.us-gov-moon-9.api.aws",
    "sts.us-gov-moon-9.amazonaws.com",
  ],
  ["xx-new-1", "aws", false, "bedrock-mantle.xx-new-1.api.aws", "sts.xx-new-1.amazonaws.com"],
  [
    "us-isob-east-1",
    "aws-iso-b",
    false,
    "bedrock-mantle.us-isob-east-1.api.aws.scloud",
    "sts.us-isob-east-1.sc2s.sgov.gov",
  ],
  ["constructor", "aws", false, "bedrock-mantle.constructor.api.aws", "sts.constructor.amazonaws.com"],
])("%s", (region, partition, known, mantle, sts) => {
  expect(describeRegion(region)).toMatchObject({ id: region, partition, known });
  expect(hostOf("mantle", region)).toBe(mantle);
  expect(hostOf("sts", region)).toBe(sts);
});

it("every region with Mantle is a listed region", () => {
  expect(MANTLE_REGIONS.filter((region) => !(region in REGIONS))).toEqual([]);
  expect(hostOf("runtime", "eu-west-1")).toBe("bedrock-runtime.eu-west-1.amazonaws.com");
  expect(hostOf("control", "eu-west-1")).toBe("bedrock.eu-west-1.amazonaws.com");
});

it("the server's clock is read off its `date` header", () => {
  const now = Date.parse("2026-01-02T03:04:05Z");
  expect(clockOffset("Fri, 02 Jan 2026 03:24:05 GMT", now)).toBe(1_200_000);
  expect(clockOffset("Fri, 02 Jan 2026 02:44:05 GMT", now)).toBe(-1_200_000);
  expect(clockOffset("soon", now)).toBe(0);
  expect(clockOffset(undefined, now)).toBe(0);
});
