/** Images of `-i` and the schema of `--output-schema`: read from the disk, checked, told apart by their bytes. */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type ContentPart, MohoError } from "@moho/protocol";

const MAX_IMAGE_BYTES = 20 * 1024 * 1024;
const SIGNATURES: [mime: string, prefix: string][] = [
  ["image/png", "89504e47"],
  ["image/jpeg", "ffd8ff"],
  ["image/gif", "47494638"],
  ["image/webp", "52494646"],
];

/** An `input_image` part. Throws `invalid_request` for a file that is no image Moho knows. */
export function imagePart(cwd: string, path: string): ContentPart {
  const bytes = readBytes(resolve(cwd, path), "image");
  const mime = SIGNATURES.find(([, prefix]) => bytes.toString("hex", 0, 4).startsWith(prefix))?.[0];
  if (!mime) throw new MohoError("invalid_request", `${path} is not a PNG, JPEG, GIF or WebP image.`);
  if (bytes.length > MAX_IMAGE_BYTES)
    throw new MohoError(
      "invalid_request",
      `${path} has ${bytes.length} bytes; ${MAX_IMAGE_BYTES} are the most.`,
    );
  return { type: "input_image", image_url: `data:${mime};base64,${bytes.toString("base64")}` };
}

/** The JSON Schema in a file. Throws `invalid_request` when it is not a JSON object. */
export function outputSchema(cwd: string, path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(readBytes(resolve(cwd, path), "output schema").toString("utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch (cause) {
    if (cause instanceof MohoError) throw cause;
    throw new MohoError("invalid_request", `${path} is not JSON: ${(cause as Error).message}`, { cause });
  }
  throw new MohoError("invalid_request", `${path} is not a JSON object.`);
}

function readBytes(path: string, what: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new MohoError("invalid_request", `The ${what} ${path} cannot be read (${code}).`, { cause });
  }
}
