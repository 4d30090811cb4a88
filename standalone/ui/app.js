() => {
  // Ctrl+Enter generates, as in the WebUIs.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const generate = document.getElementById("generate");
    if (!generate || generate.disabled) return;
    event.preventDefault();
    generate.click();
  });
}
