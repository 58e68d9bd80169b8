// better-auth with its phone plugin, over our client, and the client itself. Steps come on stdin, one JSON object a line.
import readline from "node:readline";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { phoneNumber } from "better-auth/plugins";
import { OtpClient, verifyWebhook } from "./client/index.js";
import { otpService } from "./client/better-auth.js";

const { url, key } = JSON.parse(process.argv[2]);
const client = new OtpClient({ url, key, maxWaitSeconds: 1 });
const otp = otpService({ url, key, locale: "en", maxWaitSeconds: 1 });

function auth(plugin) {
  const database = memoryAdapter({ user: [], session: [], account: [], verification: [] });
  return betterAuth({
    database, secret: "a".repeat(32), baseURL: "http://127.0.0.1:1", logger: { disabled: true },
    plugins: [phoneNumber({
      ...plugin,
      signUpOnVerification: { getTempEmail: (phone) => `${phone.slice(1)}@example.ru`, getTempName: (phone) => phone },
    })],
  });
}
const owned = auth({ sendOTP: otp.sendOTP, verifyOTP: otp.verifyOTP });
const theirs = auth({ sendOTP: otp.deliver });

let losses = 0;
const lossy = new OtpClient({
  url, key,
  fetch: async (...asked) => {
    const answer = await fetch(...asked);
    if (losses-- > 0) { await answer.text(); throw new TypeError("lost"); }
    return answer;
  },
});

const steps = {
  start: ({ to, ...fields }) => client.start(to, fields),
  check: ({ id, code, ...fields }) => client.check(id, code, fields),
  checkPhone: ({ to, code, ...fields }) => client.checkPhone(to, code, fields),
  get: ({ id }) => client.get(id),
  search: ({ to }) => client.search(to),
  deliver: ({ to, ...fields }) => client.deliver(to, fields),
  converted: ({ id }) => client.converted(id),
  closing: async ({ url, count }) => {
    const patient = new OtpClient({ url, key, retries: 0 });
    for (let n = 0; n < count; n++) await patient.start("+79161234567");
    return count;
  },
  lossy: ({ to, count }) => { losses = count; return lossy.start(to); },
  events: async ({ about }) => {
    const found = [];
    for await (const event of client.events("", 5)) {
      const told = JSON.stringify(event.data);
      if (about.some((id) => told.includes(id))) found.push(event.type);
    }
    return found;
  },
  webhook: ({ secret, headers, body }) => verifyWebhook(secret, headers, body),
  ownedSend: ({ phoneNumber }) => owned.api.sendPhoneNumberOTP({ body: { phoneNumber } }),
  ownedVerify: ({ phoneNumber, code }) => owned.api.verifyPhoneNumber({ body: { phoneNumber, code } }),
  theirsSend: ({ phoneNumber }) => theirs.api.sendPhoneNumberOTP({ body: { phoneNumber } }),
  theirsVerify: ({ phoneNumber, code }) => theirs.api.verifyPhoneNumber({ body: { phoneNumber, code } }),
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { step, ...fields } = JSON.parse(line);
  let told;
  try {
    told = { found: await steps[step](fields) };
  } catch (error) {
    told = { error: error.name, code: error.code ?? error.body?.code, status: error.statusCode ?? error.status, message: error.message };
  }
  process.stdout.write(JSON.stringify(told) + "\n");
}
