/** Client of otp-service. Start with `OtpClient`; webhooks are verified by `verifyWebhook`. */

export { OtpClient } from "./client.js";
export type { OtpClientOptions } from "./client.js";
export { NoAnswer, OtpServiceError, Refused } from "./errors.js";
export type * from "./models.js";
export { InvalidSignature, verifyWebhook } from "./webhooks.js";
