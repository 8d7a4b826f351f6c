// What the pages do beyond HTML. Everything works without it, but for typing in a card and proving to be no robot.
"use strict";

// Looked up each time: a page that comes back from the history has another.
const toasts = () => document.getElementById("toasts");

function toast(text, tone) {
  const shown = document.createElement("div");
  shown.className = `alert alert-${tone}`;
  shown.textContent = text;
  toasts().replaceChildren(shown);
  return setTimeout(() => shown.remove(), 8000);
}

// Signing in has a page of its own, so that what is being typed on this one stays to be copied.
function signedOut() {
  clearTimeout(toast(`${toasts().dataset.signedOut} `, "warning"));
  const link = document.createElement("a");
  link.href = `/login?${new URLSearchParams({ next: location.pathname + location.search })}`;
  link.target = "_blank";
  link.textContent = toasts().dataset.signIn;
  toasts().firstElementChild.append(link);
}

// A page that answers a form cannot be come back to: once it is left, the page that the form was on takes its place.
function leave() {
  const answer = "answer" in document.documentElement.dataset;
  if (answer && document.referrer.startsWith(`${location.origin}/`)) history.replaceState(history.state, "", document.referrer);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (link && !link.target && !event.ctrlKey && !event.metaKey && !event.shiftKey) leave();
});

// What a message says stays in this tab until a page neither waits for it any more nor tells that it was refused.
const written = JSON.parse(sessionStorage.getItem("written") ?? "{}");

function keep(form) {
  const { message_id: key, subject, body } = form.elements;
  written[key.value] = { at: form.dataset.writes, subject: subject.value, body: body.value };
  sessionStorage.setItem("written", JSON.stringify(written));
}

function writeAgain() {
  const kept = written[location.hash.slice(1)];
  if (!kept || !writing) return;
  fill(kept);
  writing.elements.body.focus();
}

// Back brings what was being written, in the same session: not every browser does that for each field.
const writing = document.querySelector("form[data-writes]");
const session = document.body.getAttribute("hx-headers");

function remember() {
  const { subject, body } = writing.elements;
  history.replaceState({ session, subject: subject.value, body: body.value }, "");
}

function fill(kept) {
  for (const name of ["subject", "body"]) writing.elements[name].value ||= kept[name];
  remember();
}

if (writing) {
  fill(history.state?.session === session ? history.state : { subject: "", body: "" });
  writing.addEventListener("input", remember);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-written]");
  const kept = written[link?.dataset.written];
  if (!kept) return;
  event.preventDefault();
  location.assign(`${kept.at}#${link.dataset.written}`);
});

const awaited = [...document.querySelectorAll("a[data-written]")].map((link) => link.dataset.written);
for (const key of Object.keys(written)) if (![...awaited, location.hash.slice(1)].includes(key)) delete written[key];
sessionStorage.setItem("written", JSON.stringify(written));
writeAgain();
addEventListener("hashchange", writeAgain);

// A form that is under way says so, and is not sent twice.
document.addEventListener("submit", (event) => {
  const form = event.target;
  // Not `form.method`: forms that pay have a field of this name.
  if (event.defaultPrevented || form.getAttribute("method") !== "post") return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "yes";
  if (form.dataset.writes) keep(form);
  leave();
  const button = event.submitter;
  if (button && button.dataset.sending) {
    button.dataset.label = button.innerHTML;
    button.textContent = button.dataset.sending;
    button.setAttribute("aria-busy", "true");
  }
});

function ready(form) {
  delete form.dataset.sent;
  for (const button of form.querySelectorAll("[aria-busy]")) {
    button.innerHTML = button.dataset.label;
    button.removeAttribute("aria-busy");
  }
}

addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(ready));
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.target instanceof HTMLFormElement) ready(event.target);
});

// News: whatever listens to `live` on the body asks for itself again.
for (const following of document.querySelectorAll("[data-live]")) {
  const source = new EventSource(following.dataset.live);
  source.onmessage = () => htmx.trigger(document.body, "live");
  addEventListener("pagehide", () => source.close());
}

// What a page asks for by itself keeps no session alive: an open page would never be signed out.
document.addEventListener("htmx:configRequest", (event) => {
  if (["live", "news"].includes(event.detail.triggeringEvent?.type)) event.detail.headers["x-unattended"] = "yes";
});

document.addEventListener("htmx:responseError", (event) => {
  if ([401, 403].includes(event.detail.xhr.status)) signedOut();
  else toast(toasts().dataset.failed, "danger");
});
document.addEventListener("htmx:sendError", () => toast(toasts().dataset.offline, "warning"));

// Menus close by Escape, and by a click elsewhere.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) print();
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// To type into a field is to choose what it belongs to.
for (const field of document.querySelectorAll("[data-chooses]")) {
  field.addEventListener("input", () => {
    const choice = field.closest(".choice").querySelector("input[type=radio]");
    if (choice) choice.checked = true;
  });
}

// A new card or bank account: the processor's page in a frame takes the number and gives a token for it.
for (const form of document.querySelectorAll("[data-tokenise]")) {
  const place = form.querySelector("[data-processor]");
  const address = new URL(place.dataset.processor);
  let frame = null;
  let answered = null;
  const kind = () => (form.querySelector("[name=method]:checked") || {}).value;
  const fresh = () => kind() === "card" || kind() === "bank_account";
  const show = () => {
    place.hidden = !fresh();
    if (!fresh() || (frame && frame.dataset.kind === kind())) return;
    if (frame) frame.remove();
    frame = document.createElement("iframe");
    frame.title = place.dataset.title;
    frame.dataset.kind = kind();
    frame.height = 330;
    address.search = new URLSearchParams({ kind: kind(), language: document.documentElement.lang, theme: document.documentElement.dataset.bsTheme, origin: location.origin });
    frame.src = address;
    place.querySelector("p").after(frame);
  };
  form.addEventListener("change", show);
  show();
  form.addEventListener("submit", (event) => {
    if (!fresh() || form.elements.token.value) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    frame.contentWindow.postMessage("tokenise", address.origin);
    answered = setTimeout(() => toast(toasts().dataset.failed, "danger"), 8000);
  }, true);
  addEventListener("message", (event) => {
    if (event.origin !== address.origin || !frame || event.source !== frame.contentWindow) return;
    clearTimeout(answered);
    if (event.data.height) frame.height = event.data.height;
    if (!event.data.token) return;
    for (const name of ["token", "last4", "brand"]) form.elements[name].value = event.data[name] || "";
    form.requestSubmit(form.querySelector("button[data-sending]"));
  });
  addEventListener("pageshow", () => { form.elements.token.value = ""; });
}

// A slider and its field say the same.
for (const slider of document.querySelectorAll("[data-slid]")) {
  const field = slider.form.elements[slider.dataset.slid];
  slider.addEventListener("input", () => { field.value = Number(slider.value).toFixed(slider.dataset.digits); });
  field.addEventListener("input", () => { slider.value = parseFloat(field.value.replace(",", "")) || slider.min; });
}

// A box that opens what depends on it.
for (const box of document.querySelectorAll("[data-opens]")) {
  const opened = document.getElementById(box.dataset.opens);
  const show = () => { opened.hidden = !box.checked; opened.querySelectorAll("input").forEach((one) => { one.disabled = !box.checked; }); };
  box.addEventListener("change", show);
  show();
}

// To be no robot: find the number whose key begins as the challenge says (ALTCHA, PBKDF2).
for (const place of document.querySelectorAll("[data-captcha]")) {
  const said = place.appendChild(document.createElement("span"));
  const bytes = (hex) => Uint8Array.from(hex.match(/../g) || [], (pair) => parseInt(pair, 16));
  const hex = (array) => Array.from(array, (one) => one.toString(16).padStart(2, "0")).join("");
  const solve = async (challenge) => {
    const { parameters } = challenge;
    const nonce = bytes(parameters.nonce);
    const password = new Uint8Array(nonce.length + 4);
    password.set(nonce);
    const rule = { name: "PBKDF2", hash: parameters.algorithm.split("/")[1], salt: bytes(parameters.salt), iterations: parameters.cost };
    for (let counter = 0; ; counter += 1) {
      new DataView(password.buffer).setUint32(nonce.length, counter);
      const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
      const derivedKey = hex(new Uint8Array(await crypto.subtle.deriveBits(rule, key, 8 * (parameters.keyLength || 32))));
      if (derivedKey.startsWith(parameters.keyPrefix)) return { challenge, solution: { counter, derivedKey } };
    }
  };
  said.textContent = place.dataset.working;
  fetch(place.dataset.captcha)
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status)))
    .then(solve)
    .then((proof) => {
      place.querySelector("[name=captcha]").value = btoa(JSON.stringify(proof));
      place.classList.add("done");
      said.textContent = place.dataset.done;
    })
    .catch(() => { said.textContent = place.dataset.failed; });
}
