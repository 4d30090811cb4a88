// Puts what is clicked in the LoRA tab into the prompt that was used last, and fills the list when
// the tab is first shown. One function, so that nothing of it is global.
(function () {
  "use strict";
  let lastPrompt = "txt2img_prompt";

  function promptBox(id) {
    return document.querySelector(`gradio-app #${id} textarea`)
      || document.querySelector(`#${id} textarea`);
  }

  function insert(text) {
    const box = promptBox(lastPrompt) || promptBox("txt2img_prompt");
    if (!box) {
      return;
    }
    const space = box.value && !/\s$/.test(box.value) ? " " : "";
    box.value += space + text;
    // The WebUI reads the box on input events only.
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function fillOnce(observer) {
    const tab = document.getElementById("tab_loradex");
    const refresh = document.getElementById("loradex_refresh");
    if (tab && refresh && tab.style.display !== "none" && tab.offsetParent !== null) {
      observer.disconnect();
      refresh.click();
    }
  }

  document.addEventListener("focusin", (event) => {
    const owner = event.target.closest && event.target.closest("#txt2img_prompt, #img2img_prompt");
    if (owner) {
      lastPrompt = owner.id;
    }
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("[data-loradex-insert]");
    if (button) {
      insert(button.dataset.loradexInsert);
      button.classList.add("loradex-inserted");
      setTimeout(() => button.classList.remove("loradex-inserted"), 400);
    }
  });

  // Tabs are shown by changing their style; observing that is cheap and needs no host function.
  const observer = new MutationObserver(() => fillOnce(observer));
  document.addEventListener("DOMContentLoaded", () => observer.observe(document.body, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["style", "class"],
  }));
}());
