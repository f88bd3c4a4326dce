/** Amazon Resource Names: `arn:partition:service:region:account:resource`. */

export interface Arn {
  partition: string;
  service: string;
  /** Empty for global resources. */
  region: string;
  /** Empty for resources that AWS owns, such as foundation models. */
  account: string;
  /** The rest, colons and slashes included. */
  resource: string;
}

/** The parts of an ARN; `undefined` for any other text. */
export function parseArn(text: string): Arn | undefined {
  const match = /^arn:([^:]+):([^:]+):([^:]*):([^:]*):(.+)$/s.exec(text);
  if (!match) return undefined;
  const [, partition, service, region, account, resource] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  return { partition, service, region, account, resource };
}

export function formatArn(arn: Arn): string {
  return `arn:${arn.partition}:${arn.service}:${arn.region}:${arn.account}:${arn.resource}`;
}
