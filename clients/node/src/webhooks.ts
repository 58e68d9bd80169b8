import { createHmac, timingSafeEqual } from "node:crypto";

import { OtpServiceError } from "./errors.js";

/** Not signed with any of the secrets, or too old. Answer 401 and read no further. */
export class InvalidSignature extends OtpServiceError {
  override name = "InvalidSignature";
}

export interface WebhookEvent {
  /** The same at each attempt; do nothing for one that you know. */
  id: string;
  type: string;
  timestamp: string;
  sequence: number;
  data: Record<string, unknown>;
}

type HeaderSource = Headers | Record<string, string | string[] | undefined>;

/**
 * The event of a request (Standard Webhooks 1.0.0). secret: `whsec_…`, or several while you rotate. body: as it came.
 * Throws InvalidSignature.
 */
export function verifyWebhook(
  secret: string | readonly string[],
  headers: HeaderSource,
  body: string | Uint8Array,
  { toleranceSeconds = 300, now = Date.now() / 1000 }: { toleranceSeconds?: number; now?: number } = {},
): WebhookEvent {
  const id = header(headers, "webhook-id");
  const stamp = header(headers, "webhook-timestamp");
  const presented = header(headers, "webhook-signature")
    .split(/[\s]+|,\s*(?=v1,)/)
    .filter((part) => part.startsWith("v1,"))
    .map((part) => Buffer.from(part.slice(3), "base64"));
  if (!id || !/^[0-9]{1,12}$/.test(stamp) || presented.length === 0) {
    throw new InvalidSignature("the request is not signed");
  }
  if (Math.abs(now - Number(stamp)) > toleranceSeconds) {
    throw new InvalidSignature("the request is too old, or the clock is wrong");
  }
  const content = Buffer.concat([Buffer.from(`${id}.${stamp}.`), Buffer.from(body as Uint8Array)]);
  const known = (typeof secret === "string" ? [secret] : secret).map((one) =>
    createHmac("sha256", Buffer.from(one.replace(/^(v1,)?whsec_/, ""), "base64")).update(content).digest(),
  );
  const right = known.some((mine) =>
    presented.some((theirs) => theirs.length === mine.length && timingSafeEqual(mine, theirs)),
  );
  if (!right) throw new InvalidSignature("the signature is another's");
  const told = JSON.parse(Buffer.from(body as Uint8Array).toString("utf8")) as Omit<WebhookEvent, "id">;
  return { ...told, id };
}

function header(headers: HeaderSource, name: string): string {
  if (headers instanceof Headers) return headers.get(name) ?? "";
  const key = Object.keys(headers).find((one) => one.toLowerCase() === name);
  const value = key === undefined ? undefined : headers[key];
  return (Array.isArray(value) ? value[0] : value) ?? "";
}
