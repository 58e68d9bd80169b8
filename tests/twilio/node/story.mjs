// The official Node SDK, unmodified: reads steps from stdin, one JSON object a line, and answers each with one.
import readline from "node:readline";
import twilio from "twilio";

const { url, key, service, user } = JSON.parse(process.argv[2]);
const account = "AC" + "0".repeat(32);
function client(options = {}) {
  const found = twilio(user, key, { accountSid: account, ...options });
  found.verify.baseUrl = `${url}/twilio`;
  return found.verify.v2;
}
const plain = client();
const retrying = client({ autoRetry: true, maxRetries: 3, maxRetryDelay: 200 });

const steps = {
  create: ({ to, ...more }) => plain.services(service).verifications.create({ to, channel: "sms", ...more }),
  createRetrying: ({ to }) => retrying.services(service).verifications.create({ to, channel: "sms" }),
  check: (fields) => plain.services(service).verificationChecks.create(fields),
  fetch: ({ which }) => plain.services(service).verifications(which).fetch(),
  update: ({ which, status }) => plain.services(service).verifications(which).update({ status }),
  attempts: (query) => plain.verificationAttempts.list(query),
  summary: (query) => plain.verificationAttemptsSummary().fetch(query),
  services: () => plain.services.list({ limit: 100 }),
  templates: () => plain.templates.list(),
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { step, ...fields } = JSON.parse(line);
  if (fields.dateCreatedAfter) fields.dateCreatedAfter = new Date(fields.dateCreatedAfter);
  let told;
  try {
    const found = await steps[step](fields);
    told = { found: JSON.parse(JSON.stringify(found)) };
    const one = Array.isArray(found) ? found[0] : found;
    told.isDate = one?.dateCreated instanceof Date;
  } catch (error) {
    told = { error: error.constructor.name, status: error.status, code: error.code, message: error.message };
  }
  process.stdout.write(JSON.stringify(told) + "\n");
}
