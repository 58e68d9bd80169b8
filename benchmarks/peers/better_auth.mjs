// better-auth's phone plugin on loopback: `node better_auth.mjs PORT GATEWAY_URL memory|FILE.sqlite`.
// Each code is handed to the gateway over HTTP, as the service does it. `/codes` tells what people would have read.
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { phoneNumber } from "better-auth/plugins/phone-number";
import Database from "better-sqlite3";

const [port, gateway, store] = process.argv.slice(2);
const codes = new Map();
const empty = { user: [], session: [], account: [], verification: [], rateLimit: [] };
const options = {
  baseURL: `http://127.0.0.1:${port}`,
  secret: "a secret of thirty-two characters and more",
  database: store === "memory" ? memoryAdapter(empty) : new Database(store),
  rateLimit: { enabled: false }, // by address, and all callers have one here
  telemetry: { enabled: false },
  logger: { level: "error" },
  plugins: [
    phoneNumber({
      sendOTP: async ({ phoneNumber, code }) => {
        codes.set(phoneNumber, code);
        const body = `<request><phone>${phoneNumber}</phone><text>Code: ${code}</text></request>`;
        const answer = await fetch(gateway, { method: "POST", body });
        await answer.text();
        if (!answer.ok) throw new Error(`gateway: ${answer.status}`);
      },
      signUpOnVerification: { getTempEmail: (phone) => `${phone.slice(1)}@example.test` },
    }),
  ],
};
if (store !== "memory") await (await getMigrations(options)).runMigrations();
const handle = toNodeHandler(betterAuth(options));
createServer((request, response) => {
  if (request.url === "/codes") return response.end(JSON.stringify(Object.fromEntries(codes)));
  return handle(request, response);
}).listen(Number(port), "127.0.0.1");
