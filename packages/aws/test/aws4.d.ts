/** The part of `aws4` that the tests use; it ships no types. */
declare module "aws4" {
  interface Signable {
    service: string;
    region: string;
    method: string;
    path: string;
    body: string;
    headers: Record<string, string>;
    extraHeadersToIgnore?: Record<string, boolean>;
  }
  const aws4: {
    sign(
      request: Signable,
      credentials: { accessKeyId: string; secretAccessKey: string },
    ): { headers: Record<string, string> };
  };
  export default aws4;
}
