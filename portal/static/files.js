// Files are uploaded as they are chosen, with progress; the form then carries their ids instead of the files.
(() => {
  "use strict";

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

  const upload = (box, form, file) => {
    const item = row(file.name, box.dataset.sending);
    const bar = document.createElement("progress");
    bar.className = "bar";
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute("aria-label", file.name);
    item.append(bar);
    box.querySelector(".files").append(item);

    const body = new FormData();
    body.append("patient_id", new FormData(form).get("patient_id") ?? "");
    body.append("file", file);
    const request = new XMLHttpRequest();
    request.open("POST", box.dataset.url);
    request.setRequestHeader("x-csrf-token", csrf());
    request.setRequestHeader("hx-request", "true");
    request.upload.onprogress = (event) => { bar.value = event.loaded / event.total; };
    return new Promise((resolve) => {
      request.onloadend = () => {
        if (request.status === 200) {
          const shown = document.createElement("template");
          shown.innerHTML = request.responseText.trim();
          item.replaceWith(shown.content);
        } else {
          item.querySelector("progress").remove();
          item.querySelector(".file-said").textContent = box.dataset.failed;
        }
        resolve();
      };
      request.send(body);
    });
  };

  for (const box of document.querySelectorAll("[data-files]")) {
    const input = box.querySelector("input[type=file]");
    const form = input.form;
    input.addEventListener("change", async () => {
      const chosen = [...input.files];
      input.value = "";
      const buttons = form.querySelectorAll("button:not([type=button])");
      buttons.forEach((button) => { button.disabled = true; });
      for (const file of chosen) await upload(box, form, file);
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
