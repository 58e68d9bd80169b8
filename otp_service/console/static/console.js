// Local times, parts that renew themselves, a question before what cannot be undone, passkeys.
"use strict";

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    time.title = time.textContent;
    time.textContent = at.toLocaleString(document.documentElement.lang, { dateStyle: "short", timeStyle: "medium" });
  }
}

async function renew(part, seconds) {
  if (!document.hidden && !part.contains(document.activeElement)) {
    try {
      const answer = await fetch(location.href, { headers: { "X-Console-Renewal": "1" }, redirect: "manual" });
      if (answer.type === "opaqueredirect") return location.reload(); // the session is over
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const found = page.getElementById(part.id);
        if (found) {
          localTimes(found);
          const open = [...part.querySelectorAll("details")].map((each) => each.open);
          found.querySelectorAll("details").forEach((each, n) => { each.open = open[n] ?? false; });
          part.replaceChildren(...found.childNodes);
        }
      }
    } catch {
      // The service is being replaced: the next round will tell.
    }
  }
  setTimeout(() => renew(part, seconds), seconds * 1000);
}

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (sign) => sign.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

async function createPasskey(form) {
  const options = JSON.parse(form.dataset.passkeyCreate);
  const found = await navigator.credentials.create({
    publicKey: { ...options, challenge: bytes(options.challenge), user: { ...options.user, id: bytes(options.user.id) } },
  });
  return { clientDataJSON: text(found.response.clientDataJSON), attestationObject: text(found.response.attestationObject), found };
}

async function getPasskey(form) {
  const options = JSON.parse(form.dataset.passkeyGet);
  const allowed = options.allowCredentials.map((each) => ({ ...each, id: bytes(each.id) }));
  const found = await navigator.credentials.get({
    publicKey: { ...options, challenge: bytes(options.challenge), allowCredentials: allowed },
  });
  const { clientDataJSON, authenticatorData, signature } = found.response;
  return { clientDataJSON: text(clientDataJSON), authenticatorData: text(authenticatorData), signature: text(signature), found };
}

async function withPasskey(form, ask) {
  const wrong = form.querySelector("[role=alert][hidden]");
  try {
    const { found, ...response } = await ask(form);
    form.elements.passkey.value = JSON.stringify({ id: found.id, rawId: text(found.rawId), type: found.type, response });
  } catch {
    if (wrong) wrong.hidden = false;
    return;
  }
  form.noValidate = true;
  form.submit();
}

document.addEventListener("click", (event) => {
  const asked = event.target.closest("[data-confirm]");
  if (asked && !confirm(asked.dataset.confirm)) event.preventDefault();
  const passkey = event.target.closest("[data-passkey]");
  if (passkey) {
    const form = passkey.closest("form");
    const valid = [...form.querySelectorAll("[type=password]")].every((field) => field.reportValidity());
    if (valid) withPasskey(form, createPasskey);
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-passkey-get]");
  if (form && !form.elements.passkey.value) {
    event.preventDefault();
    withPasskey(form, getPasskey);
  }
});

localTimes(document);
for (const part of document.querySelectorAll("[data-renew]")) {
  const seconds = Number(part.dataset.renew);
  setTimeout(() => renew(part, seconds), seconds * 1000);
}
