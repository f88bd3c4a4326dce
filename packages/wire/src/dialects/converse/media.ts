/** Images and documents: Converse's format words and blobs, and the data URLs of the hub. */

import { Buffer } from "node:buffer";
import type { FilePart, ImagePart } from "@moho/protocol";

const IMAGE_FORMATS: ReadonlySet<string> = new Set(["png", "jpeg", "gif", "webp"]);

const DOCUMENT_TYPES: ReadonlyMap<string, string> = new Map([
  ["pdf", "application/pdf"],
  ["csv", "text/csv"],
  ["doc", "application/msword"],
  ["docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"],
  ["xls", "application/vnd.ms-excel"],
  ["xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"],
  ["html", "text/html"],
  ["txt", "text/plain"],
  ["md", "text/markdown"],
]);
const DOCUMENT_FORMATS: ReadonlyMap<string, string> = new Map(
  [...DOCUMENT_TYPES].map(([format, type]) => [type, format]),
);

export interface Blob {
  format: string;
  /** Base64. */
  bytes: string;
}

/** The image of a data URL; a sentence that says why not otherwise. */
export function imageBlob(part: ImagePart): Blob | string {
  const url = part.image_url;
  if (typeof url !== "string") return "an image stored at the provider cannot be read here";
  const data = dataUrl(url);
  if (data === undefined) return "Converse takes images as bytes: send it as a `data:` URL";
  const format = data.type === "image/jpg" ? "jpeg" : data.type.replace(/^image\//, "");
  if (!IMAGE_FORMATS.has(format)) return `\`${data.type}\` is not one of png, jpeg, gif, webp`;
  return { format, bytes: data.base64 };
}

export function imagePart(format: unknown, bytes: string): ImagePart | undefined {
  if (typeof format !== "string" || !IMAGE_FORMATS.has(format)) return undefined;
  return { type: "input_image", image_url: `data:image/${format};base64,${bytes}` };
}

/** The document of a file part; a sentence that says why not otherwise. */
export function documentBlob(part: FilePart): Blob | string {
  if (typeof part.file_data !== "string") {
    return "Converse takes documents as bytes: send `file_data`";
  }
  const data = dataUrl(part.file_data) ?? { type: "", base64: part.file_data };
  if (!isBase64(data.base64)) return "`file_data` is not base64";
  const extension = /\.([A-Za-z0-9]+)$/.exec(part.filename ?? "")?.[1]?.toLowerCase() ?? "";
  const byName = extension === "htm" ? "html" : extension;
  const format = DOCUMENT_FORMATS.get(data.type) ?? (DOCUMENT_TYPES.has(byName) ? byName : undefined);
  if (format !== undefined) return { format, bytes: data.base64 };
  if (data.type.startsWith("text/")) return { format: "txt", bytes: data.base64 };
  return `\`${data.type || extension || "unknown"}\` is not one of ${[...DOCUMENT_TYPES.keys()].join(", ")}`;
}

export function filePart(format: unknown, name: string, bytes: string): FilePart | undefined {
  const type = typeof format === "string" ? DOCUMENT_TYPES.get(format) : undefined;
  if (type === undefined) return undefined;
  return { type: "input_file", filename: `${name}.${format}`, file_data: `data:${type};base64,${bytes}` };
}

/** A name as Converse allows it: letters, digits, single spaces, hyphens and brackets, 1 to 200 of them. */
export function documentName(filename: string | undefined): string {
  const stem = (filename ?? "").replace(/\.[A-Za-z0-9]{1,5}$/, "");
  const clean = stem
    .replaceAll(/[^A-Za-z0-9 ()[\]-]/g, " ")
    .replaceAll(/ +/g, " ")
    .trim();
  return clean.slice(0, 180).trim() || "document";
}

export function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}

export function base64Of(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** `undefined` for what is not a base64 data URL. */
function dataUrl(url: string): { type: string; base64: string } | undefined {
  const comma = url.indexOf(",");
  const head = /^data:([^;,]*)(?:;[^,]*)?;base64$/i.exec(url.slice(0, Math.max(0, comma)));
  if (head === null || comma < 0) return undefined;
  const base64 = url.slice(comma + 1);
  return isBase64(base64) ? { type: head[1]!.toLowerCase(), base64 } : undefined;
}
