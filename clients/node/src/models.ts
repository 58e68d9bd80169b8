/** Results, as the service sends them: times are ISO 8601 in UTC. */

export interface Message {
  id: string;
  gateway: string;
  channel: string;
  status:
    | "queued" | "unclear" | "scheduled" | "held" | "accepted" | "unknown" | "expired" | "undelivered" | "rejected"
    | "canceled" | "delivered";
  sent_at: string | null;
  ended_at: string | null;
  updated_at: string;
  parts: number | null;
  /** Of one part, as the gateway counts. */
  price: string | null;
  reason: string | null;
}

/** What the person may send: `text` by SMS to `number`. `uri` opens it on a phone, `qr_svg` is its QR code. */
export interface Inbound {
  number: string;
  code: string;
  text: string;
  uri: string;
  qr_svg: string;
}

/** One channel of `auto`, and how long its message may take until the next has its turn. */
export interface Step {
  channel: string;
  wait_seconds?: number;
}

export interface Verification {
  id: string;
  status: "pending" | "approved" | "expired" | "exhausted" | "canceled" | "failed";
  to: string;
  channel: string;
  purpose: string;
  locale: string;
  reference: string | null;
  subject: string | null;
  created_at: string;
  expires_at: string;
  attempts_left: number;
  sends_left: number;
  resend_at: string;
  messages: Message[];
  test: boolean;
  inbound: Inbound | null;
  /** Of an approval: `claimed` where the person sent the code. */
  assurance: "held" | "claimed" | null;
  /** What to do where no code came. */
  advice: string | null;
}

export interface CheckResult {
  id: string;
  outcome: "approved" | "wrong_code" | "already_approved" | "expired" | "exhausted" | "canceled" | "failed";
  /** Act on this alone. */
  approved: boolean;
  status: string;
  attempts_left: number;
  to: string;
  purpose: string;
  reference: string | null;
  subject: string | null;
  assurance: "held" | "claimed" | null;
}

export interface Delivery {
  id: string;
  status: "queued" | "accepted" | "delivered" | "failed" | "expired";
  to: string;
  channel: string;
  purpose: string;
  locale: string;
  reference: string | null;
  created_at: string;
  expires_at: string;
  messages: Message[];
  converted_at: string | null;
  test: boolean;
}

export interface Event {
  id: string;
  sequence: number;
  type: string;
  timestamp: string;
  data: Record<string, unknown>;
}

interface Common {
  channel?: string;
  purpose?: string;
  /** A tag of BCP 47, such as `pt-BR`; a language that is not shipped falls back to the application's. */
  locale?: string;
  reference?: string;
  client?: { ip?: string; platform?: "web" | "android" | "ios" };
  limits?: Record<string, string>;
}

export interface Start extends Common {
  /** Of the channel `auto`, in place of the application's. */
  steps?: Step[];
  subject?: string;
}

/** Exactly one of `code` and `text`. */
export interface Deliver extends Common {
  code?: string;
  text?: string;
  ttl_seconds?: number;
  webotp_host?: string;
}

export interface Keyed {
  /** Yours; one is drawn for the call where you give none. */
  idempotencyKey?: string;
}
