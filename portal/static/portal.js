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
  if (link?.getAttribute("href").startsWith("#")) {
    // To a field or to the content: the page is not left.
    event.preventDefault();
    document.getElementById(link.hash.slice(1))?.focus();
  } else if (link && !link.target && !event.ctrlKey && !event.metaKey && !event.shiftKey) leave();
});

// What a message says stays in this tab, under the message's id and for its session alone: Back brings it, and one that
// is refused after its page was left can be written again. It keeps its id, so that sent twice it is one message.
const { session } = document.body.dataset;
const writing = document.querySelector("form[data-writes]");

function written(id) {
  const kept = JSON.parse(sessionStorage.getItem(`written:${id}`));
  return kept?.session === session ? kept : null;
}

function forgetAllBut(ours) {
  for (const name of Object.keys(sessionStorage).filter((one) => one.startsWith("written"))) {
    if (JSON.parse(sessionStorage.getItem(name)).session !== ours) sessionStorage.removeItem(name);
  }
}

function keep({ dataset, elements }) {
  const id = elements.message_id.value;
  const kept = { session, at: dataset.writes ?? written(id)?.at };
  for (const name of ["patient_id", "category", "subject", "body"]) kept[name] = elements[name]?.value;
  if (kept.at) sessionStorage.setItem(`written:${id}`, JSON.stringify(kept));
}

function fill(id) {
  const { elements } = writing;
  const kept = written(id);
  if (!kept) return;
  // Whom it is about can be gone: what was written about one person is never put where it would be about another.
  for (const name of ["patient_id", "category"]) {
    if (elements[name] instanceof RadioNodeList) elements[name].value = kept[name];
    if (elements[name]?.value !== kept[name]) return;
  }
  elements.message_id.value = id;
  for (const name of ["subject", "body"]) elements[name].value = kept[name];
}

function offerAgain() {
  for (const link of document.querySelectorAll("a[data-written]")) {
    const kept = written(link.dataset.written);
    link.hidden = !kept;
    if (!kept) continue;
    const at = new URL(kept.at, location.origin);
    at.searchParams.set("again", link.dataset.written);
    link.href = at;
  }
}

forgetAllBut(session);
offerAgain();
document.addEventListener("htmx:afterSwap", offerAgain);
if (writing) {
  // What the browser would bring back by itself can be about somebody else by now.
  writing.autocomplete = "off";
  const here = new URL(location);
  fill(here.searchParams.get("again") ?? history.state?.message);
  here.searchParams.delete("again");
  history.replaceState({ message: writing.elements.message_id.value }, "", here);
}
document.addEventListener("input", ({ target }) => {
  if (target.form?.elements.message_id) keep(target.form);
});

// A form that is under way says so, and is not sent twice.
document.addEventListener("submit", (event) => {
  const form = event.target;
  // Not `form.method`: forms that pay have a field of this name.
  if (event.defaultPrevented || form.getAttribute("method") !== "post") return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "yes";
  if (form.elements.message_id) keep(form);
  if (form.getAttribute("action") === "/logout") forgetAllBut(null);
  leave();
  sending(event.submitter);
});

function sending(button) {
  if (!button?.dataset.sending) return;
  button.dataset.label = button.innerHTML;
  button.textContent = button.dataset.sending;
  button.setAttribute("aria-busy", "true");
}

document.addEventListener("htmx:beforeRequest", ({ target, detail }) => {
  if (target instanceof HTMLFormElement) {
    sending(detail.requestConfig.triggeringEvent?.submitter ?? target.querySelector("button[data-sending]"));
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
document.addEventListener("htmx:afterRequest", ({ target, detail }) => {
  if (target instanceof HTMLFormElement) ready(target);
  if (detail.successful && !unattended(detail.requestConfig)) toasts().querySelector(".not-sent")?.remove();
});

// What is put in anew leaves who reads by keys at the same place, or at its heading, and open what was open; it says its
// heading, if that is new.
const place = (element) => element.id || element.getAttribute("href") || element.textContent.trim();
const placeIn = (part) => {
  const focused = document.activeElement;
  return part !== focused && part.contains(focused) ? place(focused) : null;
};

function refocus(part, sought) {
  if (!sought || !part?.isConnected || document.activeElement !== document.body) return;
  const same = [...part.querySelectorAll("a, button, input, select, textarea, summary")].find((one) => place(one) === sought && !one.disabled);
  const heading = same ? null : part.closest("section, main").querySelector("h1, h2");
  heading?.setAttribute("tabindex", "-1");
  (same ?? heading)?.focus({ preventScroll: true });
}

let before = null;
document.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
  const open = [...target.querySelectorAll(":scope[data-live] details[id][open]")].map(({ id }) => id);
  before = { target, place: placeIn(target), heading: target.querySelector("h1, h2")?.textContent, open };
});
document.addEventListener("htmx:afterSettle", ({ detail: { target } }) => {
  if (before?.target !== target) return;
  const { place: sought, heading: said, open } = before;
  before = null;
  for (const details of target.querySelectorAll("details[id]")) details.open ||= open.includes(details.id);
  refocus(target, sought);
  const heading = target.querySelector("h1, h2");
  if (heading && heading.textContent !== said) document.getElementById("said").textContent = heading.textContent;
});
let away = null;
document.addEventListener("htmx:oobBeforeSwap", ({ detail: { target } }) => { away = { id: target.id, place: placeIn(target) }; });
document.addEventListener("htmx:oobAfterSwap", () => {
  if (away) refocus(document.getElementById(away.id), away.place);
  away = null;
});

// News come while the page is seen: all tabs of a browser share a few connections. What was interrupted the browser
// asks for again by itself, but not what was refused; and that can be for good.
function hear(address, listen) {
  let source, again, wait = 5000;
  const open = () => {
    source = new EventSource(address);
    source.addEventListener("open", () => { wait = 5000; });
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) return;
      again = setTimeout(open, wait);
      wait = Math.min(2 * wait, 300_000);
    });
    listen(source);
  };
  const close = () => {
    clearTimeout(again);
    source?.close();
  };
  document.addEventListener("visibilitychange", () => {
    close();
    if (!document.hidden) open();
  });
  if (!document.hidden) open();
}

// Whatever listens to `live` on the body asks for itself again; not before htmx has made it listen.
document.addEventListener("DOMContentLoaded", () => {
  for (const { dataset } of document.querySelectorAll("[data-live]")) {
    hear(dataset.live, (source) => source.addEventListener("message", () => htmx.trigger(document.body, "live")));
  }
});

// What a page asks for by itself keeps no session alive: an open page would never be signed out.
const unattended = ({ triggeringEvent }) => ["live", "news"].includes(triggeringEvent?.type);
document.addEventListener("htmx:configRequest", ({ detail }) => {
  if (unattended(detail)) detail.headers["x-unattended"] = "yes";
});

// It is tried until it succeeds; who asked for something is told that it failed.
const later = new WeakMap();
function failed({ elt, xhr, requestConfig }, tell) {
  if ([401, 403].includes(xhr.status)) signedOut();
  else if (!unattended(requestConfig)) tell();
  else if (xhr.status === 0 || xhr.status >= 500) {
    clearTimeout(later.get(elt));
    later.set(elt, setTimeout(() => htmx.trigger(elt, requestConfig.triggeringEvent.type), 5000));
  }
}
document.addEventListener("htmx:responseError", ({ detail }) => failed(detail, () => toast(toasts().dataset.failed, "danger")));
document.addEventListener("htmx:sendError", ({ detail }) => failed(detail, () => {
  // Until something goes through: what was written is still there, and nobody sends it but who wrote it.
  clearTimeout(toast(toasts().dataset.offline, "warning"));
  toasts().firstElementChild.classList.add("not-sent");
}));

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
  // A comma before three digits groups them; another one is what the point is in English.
  const number = () => parseFloat(field.value.replace(/,(?=\d{3}\b)/g, "").replace(",", "."));
  field.addEventListener("input", () => { slider.value = number() || slider.min; });
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
