import { randomUUID } from "node:crypto";

import { NoAnswer, Refused } from "./errors.js";
import type { CheckResult, Deliver, Delivery, Event, Keyed, Start, Verification } from "./models.js";

export interface OtpClientOptions {
  url: string;
  /** API key. */
  key: string;
  /** For one answer. */
  timeoutSeconds?: number;
  /** Of one call. */
  retries?: number;
  /** The pauses of one call together. */
  maxWaitSeconds?: number;
  fetch?: typeof fetch;
}

interface Call {
  method: "GET" | "POST";
  path: string;
  body?: unknown;
  key?: string;
  /** Added to the time that the answer may take: a long poll. */
  seconds?: number;
}

/** Where the service says after how long to ask again. */
const REPEATED = new Set([409, 429, 503]);
const PAUSE_SECONDS = 0.2;
/** The connection went away before an answer came, as one does that was idle for too long. */
const CLOSED = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]);

/**
 * Calls of the API. A lost answer, and a 409, 429 or 503 with `Retry-After`, is asked again with the same
 * `Idempotency-Key`: nothing is sent twice and no attempt is counted twice. Throws `Refused` and `NoAnswer`.
 */
export class OtpClient {
  readonly #url: string;
  readonly #key: string;
  readonly #timeoutSeconds: number;
  readonly #retries: number;
  readonly #maxWaitSeconds: number;
  readonly #fetch: typeof fetch;

  constructor(options: OtpClientOptions) {
    if (!/^[\x21-\x7e]+$/.test(options.key)) throw new TypeError("an API key is printable ASCII");
    this.#url = options.url.replace(/\/+$/, "");
    this.#key = options.key;
    this.#timeoutSeconds = options.timeoutSeconds ?? 20;
    this.#retries = options.retries ?? 3;
    this.#maxWaitSeconds = options.maxWaitSeconds ?? 5;
    this.#fetch = options.fetch ?? fetch;
  }

  /** Send a code to a phone. */
  start(to: string, fields: Start & Keyed = {}): Promise<Verification> {
    return this.#post("/v1/verifications", { to }, fields);
  }

  /** Judge a code. Give `to` and `purpose`, so that nobody submits the id of another phone. */
  check(id: string, code: string, fields: { to?: string; purpose?: string } & Keyed = {}): Promise<CheckResult> {
    return this.#post(`/v1/verifications/${encodeURIComponent(id)}/check`, { code }, fields);
  }

  /** Judge a code for the phone's newest pending verification. */
  checkPhone(to: string, code: string, fields: { purpose?: string } & Keyed = {}): Promise<CheckResult> {
    return this.#post("/v1/verifications/check", { to, code }, fields);
  }

  /** As it is now; with `wait` (0 to 30 s) after its next change. */
  get(id: string, { wait = 0 }: { wait?: number } = {}): Promise<Verification> {
    return this.#wait(`/v1/verifications/${encodeURIComponent(id)}`, wait);
  }

  /** Send the code once more. */
  resend(id: string, fields: { channel?: string } & Keyed = {}): Promise<Verification> {
    return this.#post(`/v1/verifications/${encodeURIComponent(id)}/resend`, {}, fields);
  }

  cancel(id: string): Promise<Verification> {
    return this.#post(`/v1/verifications/${encodeURIComponent(id)}/cancel`, undefined, {});
  }

  /** A phone's verifications, newest first. */
  async search(to: string): Promise<Verification[]> {
    const found = await this.#send<{ verifications: Verification[] }>({
      method: "POST", path: "/v1/verifications/search", body: { to },
    });
    return found.verifications;
  }

  /** Deliver a code, or a text, that you made. */
  deliver(to: string, fields: Deliver & Keyed): Promise<Delivery> {
    return this.#post("/v1/deliveries", { to }, fields);
  }

  getDelivery(id: string, { wait = 0 }: { wait?: number } = {}): Promise<Delivery> {
    return this.#wait(`/v1/deliveries/${encodeURIComponent(id)}`, wait);
  }

  /** Report that the person entered the code of a delivery. */
  converted(id: string): Promise<Delivery> {
    return this.#post(`/v1/deliveries/${encodeURIComponent(id)}/converted`, undefined, {});
  }

  /** All events after one ("" for the oldest kept), page by page, to the newest. */
  async *events(after = "", limit = 100): AsyncGenerator<Event> {
    for (;;) {
      const query = new URLSearchParams({ limit: String(limit), ...(after ? { after } : {}) });
      const page = await this.#send<{ events: Event[]; next: string | null }>({
        method: "GET", path: `/v1/events?${query}`,
      });
      yield* page.events;
      if (!page.next || page.next === after || page.events.length < limit) return;
      after = page.next;
    }
  }

  #post<T>(path: string, own: object | undefined, { idempotencyKey, ...fields }: Keyed): Promise<T> {
    const body = own && { ...own, ...fields };
    return this.#send<T>({ method: "POST", path, body, key: idempotencyKey ?? randomUUID() });
  }

  #wait<T>(path: string, wait: number): Promise<T> {
    return this.#send<T>({ method: "GET", path: wait ? `${path}?wait=${wait}` : path, seconds: wait });
  }

  async #send<T>(call: Call): Promise<T> {
    let left = this.#retries;
    let waitLeft = this.#maxWaitSeconds;
    let pause = PAUSE_SECONDS;
    let metAClosedConnection = false;
    const may = (seconds: number) => (left -= 1) >= 0 && (waitLeft -= seconds) >= 0;
    for (;;) {
      let answer: Response;
      let text: string;
      try {
        answer = await this.#fetch(this.#url + call.path, {
          method: call.method,
          headers: {
            Authorization: `Bearer ${this.#key}`,
            Accept: "application/json",
            ...(call.body === undefined ? {} : { "Content-Type": "application/json" }),
            ...(call.key ? { "Idempotency-Key": call.key } : {}),
          },
          body: call.body === undefined ? undefined : JSON.stringify(call.body),
          redirect: "error",
          signal: AbortSignal.timeout(1000 * (this.#timeoutSeconds + (call.seconds ?? 0))),
        });
        text = await answer.text();
      } catch (error) {
        // No trouble of the service: at once over another connection, under the same Idempotency-Key; no retry.
        const { code = "" } = ((error as Error).cause ?? {}) as { code?: string };
        if (CLOSED.has(code) && !metAClosedConnection) {
          metAClosedConnection = true;
          continue;
        }
        const seconds = pause * (0.75 + Math.random() / 2);
        pause *= 2;
        if (!may(seconds)) throw new NoAnswer(`no answer came (${(error as Error).name})`);
        await sleep(seconds);
        continue;
      }
      if (answer.ok) return JSON.parse(text) as T;
      const refusal = refused(answer, text);
      const seconds = refusal.retryAfter;
      if (!REPEATED.has(refusal.status) || seconds === undefined || !may(seconds)) throw refusal;
      await sleep(seconds);
    }
  }
}

function refused(answer: Response, text: string): Refused {
  let told: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (parsed && typeof parsed === "object") told = parsed as Record<string, unknown>;
  } catch {
    // a proxy's page
  }
  const { code = `http_${answer.status}`, detail = "not an answer of the service", type, title, status, ...extra } = told;
  const wait = answer.headers.get("retry-after") ?? "";
  const retryAfter = /^[0-9]{1,9}$/.test(wait) ? Number(wait) : undefined;
  const requestId = answer.headers.get("x-request-id") ?? "";
  return new Refused(String(code), answer.status, String(detail), retryAfter, extra, requestId);
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
}
