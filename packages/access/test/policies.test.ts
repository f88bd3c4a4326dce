/** Policy documents: what is refused, at which path, with which advice; and what a decision says. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables look like that.

import { parsePolicy } from "@moho/access";
import { MohoError } from "@moho/protocol";
import { describe, expect, it } from "vitest";
import { ACCOUNT, PROJECT, principal, refusal, setting } from "./setting.ts";

const good = { Effect: "Allow", Action: "*", Resource: "*" };
const withStatement = (...statements: unknown[]) => ({ Version: "2012-10-17", Statement: statements });

describe("validation names the path and the nearest valid key", () => {
  it.each([
    ["no object", [], "the policy must be a JSON object"],
    ["null", null, "the policy must be a JSON object"],
    ["text", "{}", "the policy must be a JSON object"],
    [
      "a misspelt key",
      { Statment: [good] },
      'Statment is not a key that belongs here: did you mean "Statement"?',
    ],
    ["no statement", { Version: "2012-10-17" }, "Statement is missing"],
    ["an empty list", { Statement: [] }, "Statement must have at least one statement"],
    [
      "an unknown version",
      { Version: "2012-10-18", Statement: good },
      'Version must be "2012-10-17" or "2008-10-17", not "2012-10-18"',
    ],
    ["a statement that is text", withStatement(good, "Allow"), "Statement[1] must be a JSON object"],
    [
      "a misspelt statement key",
      withStatement({ Effect: "Allow", Acton: "*", Resource: "*" }),
      'Statement[0].Acton is not a key that belongs here: did you mean "Action"?',
    ],
    [
      "a key in lower case",
      withStatement({ effect: "Allow", Action: "*", Resource: "*" }),
      'Statement[0].effect is not a key that belongs here: did you mean "Effect"?',
    ],
    [
      "a statement not in a list",
      { Statement: { ...good, Effect: "allow" } },
      'Statement.Effect must be "Allow" or "Deny", not "allow"',
    ],
    [
      "no effect",
      withStatement({ Action: "*", Resource: "*" }),
      'Statement[0].Effect must be "Allow" or "Deny", not absent',
    ],
    [
      "a principal",
      withStatement({ ...good, Principal: "*" }),
      "Statement[0] names a Principal: an identity policy belongs to the principal it is attached to",
    ],
    [
      "no action",
      withStatement({ Effect: "Allow", Resource: "*" }),
      "Statement[0] must have exactly one of Action and NotAction",
    ],
    [
      "both resources",
      withStatement({ ...good, NotResource: "*" }),
      "Statement[0] must have exactly one of Resource and NotResource",
    ],
    ["an empty action list", withStatement({ ...good, Action: [] }), "Statement[0].Action must not be empty"],
    [
      "an action that is a number",
      withStatement({ ...good, Action: ["*", 1] }),
      "Statement[0].Action[1] must be text",
    ],
    [
      "an action without service",
      withStatement({ ...good, Action: "CreateInference" }),
      'Statement[0].Action "CreateInference" is not an action',
    ],
    [
      "a variable in an action",
      withStatement({ ...good, Action: "bedrock:${aws:username}" }),
      "Statement[0].Action",
    ],
    [
      "a wildcard service",
      withStatement({ ...good, Action: "bed*:X" }),
      'Statement[0].Action "bed*:X" is not an action',
    ],
    [
      "a resource that is no ARN",
      withStatement({ ...good, Resource: ["*", "project/default"] }),
      'Statement[0].Resource[1] "project/default" is not a resource',
    ],
    ["a short ARN", withStatement({ ...good, Resource: "arn:aws:bedrock" }), "is not a resource"],
    [
      "an open variable",
      withStatement({ ...good, Resource: "arn:aws:s3:::${aws:username" }),
      "Statement[0].Resource has a policy variable that is not closed by }",
    ],
    [
      "an odd variable",
      withStatement({ ...good, Resource: "arn:aws:s3:::${a b}" }),
      "Statement[0].Resource has a malformed policy variable ${a b}",
    ],
    [
      "a Sid with a space",
      withStatement({ ...good, Sid: "a b" }),
      "Statement[0].Sid may have letters and digits only",
    ],
    [
      "a Sid twice",
      withStatement({ ...good, Sid: "A" }, { ...good, Sid: "A" }),
      'Statement[1].Sid "A" is used twice',
    ],
    [
      "a misspelt operator",
      withStatement({ ...good, Condition: { StringEqual: { "a:b": "c" } } }),
      'Statement[0].Condition.StringEqual is not a condition operator: did you mean "StringEquals"?',
    ],
    [
      "an operator of JavaScript's",
      withStatement({ ...good, Condition: { constructor: { "a:b": "c" } } }),
      "is not a condition operator",
    ],
    [
      "a set operator on Null",
      withStatement({ ...good, Condition: { "ForAnyValue:Null": { "a:b": "true" } } }),
      "is not a condition operator",
    ],
    [
      "NullIfExists",
      withStatement({ ...good, Condition: { NullIfExists: { "a:b": "true" } } }),
      "is not a condition operator",
    ],
    [
      "a key without prefix",
      withStatement({ ...good, Condition: { StringEquals: { SourceIp: "c" } } }),
      'Statement[0].Condition.StringEquals["SourceIp"] is not a condition key such as aws:SourceIp',
    ],
    [
      "no value",
      withStatement({ ...good, Condition: { StringEquals: { "a:b": [] } } }),
      'Statement[0].Condition.StringEquals["a:b"] must have a value',
    ],
    [
      "an object as value",
      withStatement({ ...good, Condition: { StringEquals: { "a:b": {} } } }),
      "must be text, a number or a truth value",
    ],
    [
      "no number",
      withStatement({ ...good, Condition: { NumericLessThan: { "a:b": "ten" } } }),
      '"ten" is not a number',
    ],
    [
      "no date",
      withStatement({ ...good, Condition: { DateLessThan: { "a:b": "soon" } } }),
      '"soon" is neither an ISO 8601 date nor epoch seconds',
    ],
    [
      "no truth value",
      withStatement({ ...good, Condition: { Bool: { "a:b": "yes" } } }),
      '"yes" is neither "true" nor "false"',
    ],
    [
      "no truth value for Null",
      withStatement({ ...good, Condition: { Null: { "a:b": "1" } } }),
      '"1" is neither "true" nor "false"',
    ],
    [
      "no address",
      withStatement({ ...good, Condition: { IpAddress: { "aws:SourceIp": "10.0.0.0/33" } } }),
      '"10.0.0.0/33" is neither an IP address nor a CIDR block',
    ],
    [
      "no base64",
      withStatement({ ...good, Condition: { BinaryEquals: { "a:b": "!" } } }),
      '"!" is not base64',
    ],
    [
      "no ARN",
      withStatement({ ...good, Condition: { ArnLike: { "a:b": "role/x" } } }),
      '"role/x" is not an ARN of six parts',
    ],
    ["too long", withStatement({ ...good, Action: Array(9000).fill("bedrock:X") }), "is longer than"],
  ])("%s", (_, document, message) => {
    expect(() => parsePolicy(document)).toThrow(MohoError);
    expect(() => parsePolicy(document)).toThrow(message);
  });

  it("a refused policy is not stored", async () => {
    const { administration } = setting();
    await refusal(administration.putPolicy("p", { Statement: [{}] }));
    expect(await administration.listPolicies()).toEqual([]);
  });
});

describe("a decision carries its reason", () => {
  const ask = async (
    statements: unknown[],
    action = "bedrock-mantle:CreateInference",
    credential: "sigv4" | "long-term-key" = "sigv4",
  ) => {
    const { access, administration } = setting();
    await administration.putPolicy("Dev", withStatement(...statements));
    return access.authorize({
      principal: principal({ policies: ["Dev"], credential }),
      action,
      resource: PROJECT,
      context: {},
    });
  };
  const user = `User: arn:aws:iam::${ACCOUNT}:user/dev`;

  it("allowed: the statement", async () => {
    expect(await ask([{ ...good, Sid: "All" }])).toEqual({
      effect: "allow",
      reason: "allowed",
      action: "bedrock-mantle:CreateInference",
      resource: PROJECT,
      statement: { policy: "Dev", sid: "All", index: 0 },
      message: `${user} is authorized to perform: bedrock-mantle:CreateInference on resource: ${PROJECT}`,
    });
  });

  it("implicit deny: AWS's sentence, and the least policy, which then allows", async () => {
    const decision = await ask([{ Effect: "Allow", Action: "iam:*", Resource: "*" }]);
    const minimalPolicy = {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Action: "bedrock-mantle:CreateInference", Resource: PROJECT }],
    };
    expect(decision).toEqual({
      effect: "deny",
      reason: "implicit-deny",
      action: "bedrock-mantle:CreateInference",
      resource: PROJECT,
      message: `${user} is not authorized to perform: bedrock-mantle:CreateInference on resource: ${PROJECT} because no identity-based policy allows the bedrock-mantle:CreateInference action`,
      minimalPolicy,
    });
    expect((await ask(minimalPolicy.Statement)).effect).toBe("allow");
  });

  it("explicit deny: AWS's sentence and the statement, no policy would help", async () => {
    expect(await ask([good, { ...good, Effect: "Deny", Sid: "Stop" }])).toEqual({
      effect: "deny",
      reason: "explicit-deny",
      action: "bedrock-mantle:CreateInference",
      resource: PROJECT,
      statement: { policy: "Dev", sid: "Stop", index: 1 },
      message: `${user} is not authorized to perform: bedrock-mantle:CreateInference on resource: ${PROJECT} with an explicit deny in an identity-based policy`,
    });
  });

  it("a bearer caller who lacks both is told both", async () => {
    const decision = await ask(
      [{ Effect: "Allow", Action: "iam:*", Resource: "*" }],
      undefined,
      "long-term-key",
    );
    expect(decision.action).toBe("bedrock-mantle:CallWithBearerToken");
    const { Statement } = decision.minimalPolicy as { Statement: unknown[] };
    expect(Statement).toEqual([
      { Effect: "Allow", Action: "bedrock-mantle:CallWithBearerToken", Resource: "*" },
      { Effect: "Allow", Action: "bedrock-mantle:CreateInference", Resource: PROJECT },
    ]);
    expect((await ask(Statement, undefined, "long-term-key")).effect).toBe("allow");
  });

  it("a role session is named by its role in conditions, by itself in the sentence", async () => {
    const { access, administration } = setting();
    const Condition = { ArnLike: { "aws:PrincipalArn": `arn:aws:iam::${ACCOUNT}:role/dev` } };
    await administration.putPolicy("P", withStatement({ ...good, Condition }));
    const session = principal({
      type: "AssumedRole",
      arn: `arn:aws:sts::${ACCOUNT}:assumed-role/dev/jo`,
      policies: ["P"],
    });
    const question = { principal: session, action: "bedrock:InvokeModel", resource: "*", context: {} };
    expect((await access.authorize(question)).effect).toBe("allow");
  });
});
