// The in basket's keys and live news. All that it does can also be done with links, buttons and reloading.
(() => {
  "use strict";

  const basket = () => document.querySelector(".basket");
  const detail = () => document.getElementById("detail");
  const opened = () => document.getElementById("open-item")?.dataset.item;

  // --- the pane shows the item whose link was followed last, whatever is answered meanwhile ---

  let opening = null;
  const wanted = () => opening?.item ?? opened();

  document.addEventListener("htmx:beforeSend", (event) => {
    const { elt, xhr } = event.detail;
    const { item } = elt.dataset;
    if (elt.matches(".basket-item")) {
      const one = { item, xhr };
      opening = one;
      xhr.addEventListener("loadend", () => { if (opening === one) opening = null; });
    } else if (elt.matches("#detail form")) {
      const subject = detail().querySelector("h2").textContent;
      xhr.addEventListener("loadend", () => {
        if (item === wanted()) return;
        ["pools", "items"].forEach(renew);
        if ([401, 403].includes(xhr.status)) signedOut();
        else if (xhr.status !== 200) toast(`${basket().dataset.missed} ${subject}`, "warning");
      });
    }
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr, requestConfig: { elt } } = event.detail;
    if (target !== detail()) return;
    const { item } = elt.dataset;
    if (elt.matches("form") && xhr.status === 200) for (const { id } of elt.elements) drafts.get(item)?.delete(id);
    const panel = elt.closest(".basket-panel") || item !== opened() ? null : document.querySelector(".basket-panel[open]");
    keptOpen = panel?.id;
    if (elt.matches(".basket-item") ? opening?.xhr !== xhr : item !== wanted()) event.detail.shouldSwap = false;
  });

  // --- keys: an element with data-key="x" is what the key x is for ---

  const typing = (target) => target.closest("input, textarea, select");
  const visible = (element) => element.getClientRects().length > 0;

  // Who closes a panel is at the button again that opens it.
  const closePanels = (but) => {
    for (const panel of document.querySelectorAll(".basket-panel[open]")) {
      if (panel === but) continue;
      if (panel.contains(document.activeElement)) document.querySelector(`[data-panel="${panel.id}"]`)?.focus();
      panel.open = false;
    }
  };

  const openPanel = (id) => {
    const panel = document.getElementById(id);
    closePanels(panel);
    panel.open = !panel.open;
    if (panel.open) panel.querySelector("select, input:not([type=hidden])").focus();
  };

  let place = 0;
  const move = (step) => {
    const items = [...document.querySelectorAll("#items .basket-item")];
    if (!items.length) return;
    const focused = items.indexOf(document.activeElement);
    const current = focused >= 0 ? focused : items.findIndex((item) => item.matches("[aria-current]"));
    // Where the item has gone from the list, the next one has taken its place.
    const next = current >= 0 ? current + step : step > 0 ? place : place - 1;
    const more = document.getElementById("more");
    if (next >= items.length && more) {
      more.click();
      return;
    }
    place = Math.min(Math.max(next, 0), items.length - 1);
    items[place].focus();
    items[place].scrollIntoView({ block: "nearest" });
  };

  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("textarea")) {
      event.target.form.requestSubmit();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || !basket()) return;
    if (event.key === "Escape") {
      closePanels();
      if (typing(event.target)) event.target.blur();
      return;
    }
    if (typing(event.target)) return;
    if (event.key === "j" || event.key === "k") {
      move(event.key === "j" ? 1 : -1);
      return;
    }
    const meant = [...document.querySelectorAll(`[data-key="${CSS.escape(event.key)}"]`)].find(visible);
    // What is still shown of the item before is not what this key is meant for.
    if (!meant || (opening && detail().contains(meant))) return;
    event.preventDefault();
    if (meant.matches("input, textarea")) meant.focus();
    else meant.click();
  });

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-dialog], [data-panel], [data-focus]");
    if (!target) return;
    if (target.dataset.dialog) document.getElementById(target.dataset.dialog).showModal();
    if (target.dataset.panel) openPanel(target.dataset.panel);
    if (target.dataset.focus) {
      event.preventDefault();
      document.getElementById(target.dataset.focus)?.focus();
    }
  });

  // --- the list shows which item is open; on a phone one of the two is seen ---

  const mark = () => {
    for (const [at, item] of [...document.querySelectorAll("#items .basket-item")].entries()) {
      if (item.dataset.item === opened()) {
        item.setAttribute("aria-current", "true");
        place = at;
      } else item.removeAttribute("aria-current");
    }
  };

  // More items follow those that were there: the first of them is next.
  let shown = null;
  document.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
    if (target.id === "more") shown = document.querySelectorAll("#items .basket-item").length;
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (shown === null) return;
    document.querySelectorAll("#items .basket-item")[shown]?.focus();
    shown = null;
  });

  const [, site] = document.title.match(/.* · (.*)/);
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== detail() && event.detail.target.id !== "items") return;
    mark();
    if (event.detail.target !== detail()) return;
    document.title = `${detail().querySelector("h2")?.textContent ?? document.querySelector(".brand span").textContent} · ${site}`;
    basket().dataset.shows = opened() ? "item" : "list";
    detail().scrollTop = 0;
    // What is said above the list is about the item before.
    if (opened()) document.getElementById("notices").replaceChildren();
    else if (getComputedStyle(detail()).display === "none") scrollTo(0, 0);
    fill();
    const panel = document.getElementById(keptOpen);
    if (panel) panel.open = true;
  });

  // What is typed stays with its item while others are looked at, in this page and nowhere else, until it is sent.
  const drafts = new Map();
  let keptOpen;
  document.addEventListener("input", (event) => {
    const { id, value } = event.target;
    if (!detail()?.contains(event.target)) return;
    if (!drafts.has(opened())) drafts.set(opened(), new Map());
    drafts.get(opened()).set(id, value);
  });
  const fill = () => {
    for (const [id, value] of drafts.get(opened()) ?? []) {
      const field = document.getElementById(id);
      if (!field) continue;
      field.value = value;
      // What was chosen can be gone.
      if (field.matches("select") && field.selectedIndex < 0) field.selectedIndex = 0;
    }
  };

  // Back brings the whole page anew.
  document.addEventListener("htmx:historyRestore", () => {
    if (!basket()) return;
    mark();
    fill();
    showLive();
  });

  // What is renewed stays as long as it was, as far as the inbox gives that much at once.
  document.addEventListener("htmx:configRequest", ({ detail: { elt, parameters } }) => {
    if (elt.id === "items") parameters.limit = Math.max(50, document.querySelectorAll("#items .basket-item").length);
    if (elt.id === "open-item") parameters.limit = Math.max(100, document.querySelectorAll("#item-thread .entry").length);
  });

  // --- news ---

  let connected;
  const showLive = (now = connected) => {
    connected = now;
    const live = document.getElementById("live");
    if (!connected) return;
    live.dataset.live = connected;
    live.textContent = live.dataset[connected];
  };

  if (!basket()?.dataset.stream) return;
  const due = new Set();

  // Many news in a short time are one look.
  const renew = (id) => {
    if (due.has(id)) return;
    due.add(id);
    setTimeout(() => {
      due.delete(id);
      const element = document.getElementById(id);
      if (element) htmx.trigger(element, "news");
    }, 120);
  };
  const renewAll = () => ["pools", "items", "open-item"].forEach(renew);
  // What waits grows older though nothing happens. Not the open item: that is noted for ever as read.
  setInterval(() => { if (!document.hidden) ["pools", "items"].forEach(renew); }, 60_000);

  hear(basket().dataset.stream, (source) => {
    let first = true;
    source.addEventListener("item", (event) => {
      const news = JSON.parse(event.data);
      renew("pools");
      renew("items");
      if (news.item_id === opened()) renew("open-item");
    });
    source.addEventListener("resync", renewAll);
    source.addEventListener("open", () => {
      showLive("yes");
      // What happened before this stream began; after an interruption it goes on where it was.
      if (first) renewAll();
      first = false;
    });
    source.addEventListener("error", () => showLive("no"));
  });
})();
