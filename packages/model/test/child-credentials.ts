/** A process of its own that takes credentials and tells its parent their id. */

import { createCredentials } from "../src/index.ts";

const [home, lockFolder] = process.argv.slice(2) as [string, string];
const credentials = createCredentials(
  { provider: "amazon-bedrock" },
  { env: process.env, home, lockFolder, now: Date.now },
);
const answer = await credentials.current().then(
  (auth) => ({ id: auth.kind === "sigv4" ? auth.credentials.accessKeyId : auth.kind }),
  (error: Error) => ({ error: error.message }),
);
process.send?.(answer);
process.disconnect();
