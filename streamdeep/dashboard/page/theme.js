// Light or dark: as the system says, until somebody chooses; the choice stays in this browser.

const KEY = "streamdeep-theme";
const ORDER = ["system", "light", "dark"];
const wantsDark = matchMedia("(prefers-color-scheme: dark)");
const watchers = new Set();
let choice = remembered();

function remembered() {
  try {
    const found = localStorage.getItem(KEY);
    return ORDER.includes(found) ? found : "system";
  } catch {
    return "system"; // storage is forbidden here: nothing is remembered
  }
}

export function isDark() {
  return choice === "dark" || (choice === "system" && wantsDark.matches);
}

/** Call back now and whenever the colours change. */
export function onTheme(watcher) {
  watchers.add(watcher);
  watcher(isDark());
}

function apply() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  for (const watcher of watchers) watcher(isDark());
}

export function startTheme(button) {
  const show = () => {
    button.textContent = `Theme: ${choice}`;
  };
  button.addEventListener("click", () => {
    choice = ORDER[(ORDER.indexOf(choice) + 1) % ORDER.length];
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      // it then lasts until the page is loaded again
    }
    show();
    apply();
  });
  wantsDark.addEventListener("change", apply);
  show();
  apply();
}

/** A custom property of the style sheet, as it is in the present theme. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
