"use strict";
// The page follows the system's light or dark; the button takes the other one, and remembers it
// where the browser lets a page do so.
{
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const now = () => root.dataset.theme ?? (system.matches ? "dark" : "light");
  const other = () => (now() === "dark" ? "light" : "dark");
  const say = () => {
    button.textContent = other() === "dark" ? "Dark" : "Light";
    button.setAttribute("aria-label", `Show the page ${other()}`);
  };
  const remember = (write, read) => {
    try {
      return write ? localStorage.setItem("sam-bench-theme", write) : localStorage.getItem(read);
    } catch {
      return null; // a page opened from disk may have no storage
    }
  };
  const kept = remember(null, "sam-bench-theme");
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = other();
    remember(root.dataset.theme);
    say();
  });
  system.addEventListener("change", say);
  say();
}
