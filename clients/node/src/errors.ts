/** Base of all errors of this package. */
export class OtpServiceError extends Error {
  override name = "OtpServiceError";
}

/** No answer came, also after repeats; what was asked for may have been done. Ask again with the same key. */
export class NoAnswer extends OtpServiceError {
  override name = "NoAnswer";
}

/** Codes that callers act upon; the service may send others, see docs/errors.md. */
export type RefusalCode =
  | "unauthorized" | "insufficient_scope" | "network_not_allowed" | "not_found" | "validation_failed"
  | "malformed_request" | "invalid_phone" | "invalid_address" | "phone_rejected" | "country_not_allowed" | "number_type_not_allowed"
  | "on_block_list" | "phone_disabled" | "suspected_pumping" | "challenge_required" | "too_soon" | "no_sends_left" | "limit_exceeded"
  | "budget_exhausted" | "too_many_failures" | "not_pending" | "request_in_progress" | "idempotency_key_reused"
  | "channel_not_available" | "text_not_allowed" | "no_gateway_available" | "busy" | "storage_unavailable"
  | "confirmation_pending" | (string & {});

/** A problem document (RFC 9457) of the service. Never holds a phone, a code or a key. */
export class Refused extends OtpServiceError {
  override name = "Refused";

  constructor(
    readonly code: RefusalCode,
    readonly status: number,
    readonly detail: string,
    /** Seconds; undefined where waiting does not help. */
    readonly retryAfter: number | undefined,
    /** The other members: `reason`, `limit`, `country`, `errors`, `verification_id`, `advice`, … */
    readonly extra: Readonly<Record<string, unknown>>,
    readonly requestId: string,
  ) {
    super(`${code}: ${detail}`);
  }
}
