() => {
  // Ctrl+Enter generates and Escape stops, as in the WebUIs.
  const click = (id) => {
    const button = document.getElementById(id);
    if (button && !button.disabled) button.click();
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      // Gradio sends what a text box holds when it loses the focus.
      if (document.activeElement) document.activeElement.dispatchEvent(new Event("change"));
      click("generate");
    }
  });
}
