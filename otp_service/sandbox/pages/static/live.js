// Keeps [data-live] elements fresh, times local, the resend button honest, and codes one tap away.
"use strict";

const EVERY_MS = 1000;

async function refresh(element) {
  const { live, phone, q = "" } = element.dataset;
  const answer = await fetch(live + "?" + new URLSearchParams({ phone, q }));
  const html = await answer.text();
  if (!answer.ok || html === element.shown) return;
  element.shown = html;
  element.innerHTML = html; // made and escaped by the sandbox itself
  localTimes(element);
  countInTitle(element.querySelector("[data-total]"));
}

function countInTitle(counted) {
  if (!counted) return;
  const bare = document.title.replace(/^\(\d+\) /, "");
  document.title = counted.dataset.total === "0" ? bare : `(${counted.dataset.total}) ${bare}`;
}

function localTimes(root) {
  for (const time of root.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleTimeString(document.documentElement.lang, { hour12: false });
  }
}

async function keepFresh(element) {
  try {
    await refresh(element);
  } catch {
    // The sandbox is being restarted: the next round will tell.
  }
  setTimeout(() => keepFresh(element), EVERY_MS);
}

function countDown(button) {
  const label = button.textContent;
  const until = Date.parse(button.dataset.resendAt);
  const tick = () => {
    const seconds = Math.ceil((until - Date.now()) / 1000);
    button.disabled = seconds > 0;
    button.textContent = seconds > 0 ? `${button.dataset.waiting} ${seconds} s` : label;
    if (seconds > 0) setTimeout(tick, 250);
  };
  tick();
}

document.addEventListener("click", (event) => {
  const code = event.target.closest("[data-code]");
  if (!code) return;
  const field = document.getElementById("code");
  if (field) {
    field.value = code.dataset.code;
    field.focus();
  } else {
    navigator.clipboard?.writeText(code.dataset.code);
    code.classList.add("copied");
  }
});

localTimes(document);
document.querySelectorAll('[data-live^="/"]').forEach(keepFresh);
document.querySelectorAll("[data-resend-at]").forEach(countDown);
