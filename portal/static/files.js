// Files are uploaded as they are chosen, with progress; the form then carries their ids instead of the files.
// They go in parts: after a broken connection the server is asked how much it has, and the rest follows.
(() => {
  "use strict";

  const LARGEST = 512 * 1024;
  const SMALLEST = 64 * 1024;
  const TRIES = 10;
  const ANSWER_MS = 60_000;

  const csrf = () => JSON.parse(document.body.getAttribute("hx-headers"))["x-csrf-token"];

  const row = (name, said) => {
    const item = document.createElement("li");
    item.className = "file";
    const title = document.createElement("span");
    title.className = "file-name";
    title.textContent = name;
    const text = document.createElement("span");
    text.className = "file-said";
    text.textContent = said;
    item.append(title, text);
    return item;
  };

  // Twice as long each time, and at once when the browser is back on the network.
  const pause = (failures) => new Promise((resolve) => {
    addEventListener("online", resolve, { once: true });
    setTimeout(resolve, Math.min(500 * 2 ** failures, 30_000));
  });

  const ask = (method, url, body, headers) => fetch(url, {
    method,
    body,
    headers: { "x-csrf-token": csrf(), "hx-request": "true", ...headers },
    signal: AbortSignal.timeout(ANSWER_MS),
  }).catch(() => null);

  // Returns the server's last word: the file's row, or why there is none; nothing if it cannot be reached.
  const send = async (announced, url, file, show) => {
    let at = null, offset = null, reached = 0, failures = 0, length = LARGEST;
    for (;;) {
      let answer;
      if (at === null) answer = await ask("POST", url, announced);
      else if (offset === null) answer = await ask("HEAD", at);
      else {
        const headers = { "content-type": "application/offset+octet-stream", "upload-offset": String(offset) };
        answer = await ask("PATCH", at, file.slice(offset, offset + length), headers);
      }
      if (answer === null || answer.status >= 500 || [408, 409].includes(answer.status)) {
        failures += 1;
        if (failures > TRIES) return null;
        length = Math.max(SMALLEST, length / 2);
        offset = null;
        show(reached, true);
        await pause(failures);
      } else if (answer.status === 201) {
        at = answer.headers.get("location");
        offset = 0;
      } else if (answer.ok && answer.headers.has("upload-offset")) {
        offset = Number(answer.headers.get("upload-offset"));
        if (offset > reached) {
          reached = offset;
          failures = 0;
          length = Math.min(LARGEST, length * 2);
        }
        show(reached, false);
      } else return answer;
    }
  };

  const upload = async (box, form, file) => {
    const item = row(file.name, box.dataset.sending);
    const said = item.querySelector(".file-said");
    const bar = document.createElement("progress");
    bar.className = "bar";
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute("aria-label", file.name);
    item.append(bar);
    box.querySelector(".files").append(item);

    const announced = new FormData();
    announced.append("patient_id", new FormData(form).get("patient_id") ?? "");
    announced.append("name", file.name);
    announced.append("size", file.size);
    const answer = await send(announced, box.dataset.url, file, (reached, waiting) => {
      bar.value = reached / file.size;
      said.textContent = waiting ? box.dataset.waiting : box.dataset.sending;
    });
    if (answer?.status === 200) {
      const shown = document.createElement("template");
      shown.innerHTML = (await answer.text()).trim();
      item.replaceWith(shown.content);
    } else {
      bar.remove();
      said.textContent = box.dataset.failed;
    }
  };

  for (const box of document.querySelectorAll("[data-files]")) {
    const input = box.querySelector("input[type=file]");
    const form = input.form;
    input.addEventListener("change", async () => {
      const chosen = [...input.files];
      input.value = "";
      const buttons = form.querySelectorAll("button:not([type=button])");
      buttons.forEach((button) => { button.disabled = true; });
      for (const file of chosen) {
        const full = box.querySelectorAll("[name=attachment_ids]").length >= Number(box.dataset.max);
        if (full) box.querySelector(".files").append(row(file.name, box.dataset.full));
        else await upload(box, form, file);
      }
      buttons.forEach((button) => { button.disabled = false; });
    });
  }

  document.addEventListener("click", (event) => {
    const remove = event.target.closest("[data-file-remove]");
    if (!remove) return;
    const box = remove.closest("[data-files]");
    remove.closest("li").remove();
    box.querySelector("input[type=file]").focus();
  });
})();
