// Auth.js (NextAuth v5): a Credentials provider that signs a person in by phone and code. auth.ts of a Next.js project.
// The page first calls sendCode (a server action), then signIn("phone", { phone, code }).
import { OtpClient, Refused } from "otp-service-client";

const otp = new OtpClient({ url: process.env.OTP_URL!, key: process.env.OTP_KEY! });

/** "use server": sends the code; the sentence is for the person, undefined where all went well. */
export async function sendCode(phone: string): Promise<string | undefined> {
  try {
    await otp.start(phone, { purpose: "login" });
    return undefined;
  } catch (error) {
    if (error instanceof Refused && error.status < 500) return error.detail;
    throw error;
  }
}

/** What the provider asks: who it is, or null. Auth.js keeps no verification, so the phone names it. */
export async function authorize(credentials: Partial<Record<"phone" | "code", unknown>>) {
  const { phone, code } = credentials;
  if (typeof phone !== "string" || typeof code !== "string") return null;
  try {
    const result = await otp.checkPhone(phone, code, { purpose: "login" });
    return result.approved ? { id: result.to, name: result.to } : null;
  } catch (error) {
    if (error instanceof Refused && (error.status === 404 || error.status === 422)) return null;
    throw error;
  }
}

/** For NextAuth({ providers: [phoneProvider(Credentials)] }). */
export function phoneProvider<Provider>(credentials: (options: object) => Provider): Provider {
  return credentials({
    id: "phone",
    name: "Phone",
    credentials: { phone: { label: "Phone", type: "tel" }, code: { label: "Code", inputMode: "numeric" } },
    authorize,
  });
}
