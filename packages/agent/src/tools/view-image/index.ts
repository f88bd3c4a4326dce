/** `view_image`: shows the model a picture from the disk. */

import { resolve } from "node:path";
import { MohoError } from "@moho/protocol";
import { objectSchema, readArguments } from "../arguments.ts";
import type { Tool, ToolContext } from "../tool.ts";

const SCHEMA = objectSchema({ path: { type: "string" } }, ["path"]);
/** The smallest of the providers' limits for one picture. */
const MAX_BYTES = 5 * 1024 * 1024;

export const tool: Tool = {
  name: "view_image",
  spec: () => ({
    type: "function",
    name: "view_image",
    description: "Shows you a PNG, JPEG, GIF or WebP file.",
    strict: false,
    parameters: { ...SCHEMA },
  }),
  prepare({ text }, { cwd }) {
    const path = resolve(cwd, readArguments<{ path: string }>(text, SCHEMA).path);
    const item = { type: "image_view" as const, path };
    return {
      wants: { writes: false, escalates: false },
      reads: true,
      item: { ...item, status: "in_progress" },
      async run(context) {
        const url = await imageUrl(path, context);
        return {
          output: [{ type: "input_image", image_url: url }],
          item: { ...item, status: "completed" },
        };
      },
    };
  },
};

async function imageUrl(path: string, { environment, files }: ToolContext): Promise<string> {
  const decision = await environment.canRead(path);
  if (!decision.allowed)
    throw new MohoError("access_denied", decision.reason, { next: "Copy it into the workspace first." });
  const file = await files.read(decision.real, MAX_BYTES);
  if (!file) throw new MohoError("not_found", `${path} is no file.`);
  if (file.size > MAX_BYTES)
    throw new MohoError(
      "invalid_request",
      `${path} has ${file.size} bytes; a picture may have ${MAX_BYTES}.`,
      {
        next: "Make a smaller copy with a command and view that.",
      },
    );
  const type = imageType(file.bytes);
  if (!type) throw new MohoError("invalid_request", `${path} is no PNG, JPEG, GIF or WebP picture.`);
  return `data:${type};base64,${file.bytes.toString("base64")}`;
}

/** By the first bytes: a name says nothing. */
function imageType(bytes: Buffer): string | undefined {
  const starts = (signature: string, at = 0) =>
    bytes.toString("latin1", at, at + signature.length) === signature;
  if (starts("\x89PNG\r\n\x1a\n")) return "image/png";
  if (starts("\xff\xd8\xff")) return "image/jpeg";
  if (starts("GIF87a") || starts("GIF89a")) return "image/gif";
  if (starts("RIFF") && starts("WEBP", 8)) return "image/webp";
  return undefined;
}
