// Login by SMS with Express. Run: OTP_URL=… OTP_KEY=… PORT=3000 node express-login.mjs
import { randomBytes } from "node:crypto";
import express from "express";
import { OtpClient, Refused } from "otp-service-client";

const otp = new OtpClient({ url: process.env.OTP_URL, key: process.env.OTP_KEY, maxWaitSeconds: 2 });
const pending = new Map(); // visitor → verification and phone; on the server, or somebody could prove another's phone
const signedIn = new Map();
const app = express();
app.use(express.json());

const visitorOf = (request) => /(?:^|; )visitor=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1];

app.post("/login", async (request, response) => {
  const started = await otp.start(String(request.body.phone), { purpose: "login" });
  const visitor = randomBytes(24).toString("base64url");
  pending.set(visitor, { id: started.id, phone: started.to });
  response.cookie("visitor", visitor, { httpOnly: true, sameSite: "strict" });
  response.status(202).json({ resend_at: started.resend_at });
});

app.post("/login/code", async (request, response) => {
  const visitor = visitorOf(request);
  const found = pending.get(visitor);
  if (!found) return response.status(400).json({ detail: "Ask for a code first." });
  const result = await otp.check(found.id, String(request.body.code), { to: found.phone, purpose: "login" });
  if (!result.approved) {
    return response.status(401).json({ detail: `${result.outcome}; ${result.attempts_left} attempts left` });
  }
  pending.delete(visitor);
  signedIn.set(visitor, found.phone);
  response.json({ phone: found.phone });
});

app.get("/me", (request, response) => {
  const phone = signedIn.get(visitorOf(request));
  if (!phone) return response.status(401).json({ detail: "Sign in." });
  response.json({ phone });
});

app.use((error, request, response, next) => {
  if (!(error instanceof Refused)) return next(error);
  if (error.retryAfter !== undefined) response.set("Retry-After", String(error.retryAfter));
  response.status(error.status === 429 ? 429 : error.status >= 500 ? 503 : 400).json({ detail: error.detail });
});

app.listen(Number(process.env.PORT), "127.0.0.1", () => console.log("listening"));
