/**
 * The sources that need the AWS SDK. This file is imported only when one of them was chosen. The SDK's parts are
 * called one by one, because its ready-made chain goes on to the next source when one fails.
 */

import type { AwsCredentials } from "@moho/aws";
import type { Profiles } from "./profiles.ts";
import type { Source } from "./sources.ts";

/** Credentials from a profile, a web identity file, the container or the instance. Throws what the SDK throws. */
export async function loadWithSdk(
  source: Source,
  profiles: Profiles | undefined,
  region: string | undefined,
): Promise<AwsCredentials> {
  // An SSO session's own region must win over ours, hence the parent's configuration and not the client's.
  const parentClientConfig = region === undefined ? {} : { region };
  switch (source.kind) {
    case "profile": {
      const { fromIni } = await import("@aws-sdk/credential-provider-ini");
      const files = profiles && {
        filepath: profiles.paths.credentials,
        configFilepath: profiles.paths.config,
      };
      const profile = source.profile?.name ?? "default";
      return plain(await fromIni({ profile, ...files, ignoreCache: true, parentClientConfig })());
    }
    case "web-identity": {
      const { fromTokenFile } = await import("@aws-sdk/credential-provider-web-identity");
      return plain(await fromTokenFile({ parentClientConfig })());
    }
    case "container": {
      const { fromHttp } = await import("@aws-sdk/credential-provider-http");
      return plain(await fromHttp()());
    }
    default: {
      const { fromInstanceMetadata } = await import("@smithy/credential-provider-imds");
      return plain(await fromInstanceMetadata({ timeout: 1000, maxRetries: 1 })());
    }
  }
}

interface SdkCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string | undefined;
  expiration?: Date | undefined;
  accountId?: string | undefined;
}

function plain(found: SdkCredentials): AwsCredentials {
  return {
    accessKeyId: found.accessKeyId,
    secretAccessKey: found.secretAccessKey,
    ...(found.sessionToken !== undefined && { sessionToken: found.sessionToken }),
    ...(found.expiration && { expiration: found.expiration.getTime() }),
    ...(found.accountId !== undefined && { accountId: found.accountId }),
  };
}
