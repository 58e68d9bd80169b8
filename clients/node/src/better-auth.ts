/**
 * better-auth's phone plugin over otp-service.
 *
 *     import { otpService } from "otp-service-client/better-auth";
 *     const otp = otpService({ url, key });
 *     phoneNumber({ sendOTP: otp.sendOTP, verifyOTP: otp.verifyOTP, sendPasswordResetOTP: otp.sendPasswordResetOTP })
 *
 * So codes are made and judged by the service, and better-auth's own code is not used. To have better-auth make and
 * judge them, and the service deliver them alone: `phoneNumber({ sendOTP: otp.deliver })`.
 *
 * Pass `toE164` as the plugin's `phoneNumberValidator` partner: better-auth keeps a phone as it was typed.
 */

import { OtpClient, type OtpClientOptions } from "./client.js";
import { Refused } from "./errors.js";

interface ToSend {
  phoneNumber: string;
  code: string;
}

export interface BetterAuthOptions extends OtpClientOptions {
  locale?: "ru" | "en";
  /** Of verifications; better-auth's own kinds of codes must not stand in for one another. */
  purposes?: { login?: string; reset?: string };
}

export function otpService({ locale, purposes = {}, ...options }: BetterAuthOptions) {
  const client = new OtpClient(options);
  const login = purposes.login ?? "login";
  const reset = purposes.reset ?? "password-reset";
  const start = (purpose: string) => async ({ phoneNumber }: ToSend): Promise<void> => {
    await told(() => client.start(phoneNumber, { purpose, locale }));
  };
  const verify = (purpose: string) => async ({ phoneNumber, code }: ToSend): Promise<boolean> => {
    try {
      return (await client.checkPhone(phoneNumber, code, { purpose })).approved;
    } catch (error) {
      // None pending, or no code at all: to a person both are a wrong code.
      if (error instanceof Refused && [404, 422].includes(error.status)) return false;
      throw apiError(error);
    }
  };
  return {
    client,
    /** Sends a code of the service's; the one that better-auth made is not used. */
    sendOTP: start(login),
    verifyOTP: verify(login),
    sendPasswordResetOTP: start(reset),
    verifyPasswordResetOTP: verify(reset),
    /** Delivers better-auth's own code. */
    deliver: async ({ phoneNumber, code }: ToSend): Promise<void> => {
      await told(() => client.deliver(phoneNumber, { code, purpose: login, locale }));
    },
  };
}

async function told<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw apiError(error);
  }
}

/** better-auth answers a plain `Error` with 500; what has a status and a body like its `APIError` it passes on. */
function apiError(error: unknown): unknown {
  if (!(error instanceof Refused)) return error;
  const status = error.status === 429 ? "TOO_MANY_REQUESTS" : error.status >= 500 ? "SERVICE_UNAVAILABLE" : "BAD_REQUEST";
  const body = { code: error.code.toUpperCase(), message: error.detail };
  return Object.assign(new Error(error.detail), {
    name: "APIError", status, statusCode: error.status >= 500 ? 503 : error.status === 429 ? 429 : 400, body,
    headers: error.retryAfter === undefined ? {} : { "Retry-After": String(error.retryAfter) },
  });
}
