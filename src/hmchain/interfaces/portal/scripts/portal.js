// The script of every page: what a page needs beyond this is loaded where it is needed.

const NEEDS = {
  "[data-sign]": () => import("./sign.js"),
  "[data-votes]": () => import("./votes.js"),
  "[data-keys]": () => import("./keys.js"),
  "[data-sign-in]": () => import("./signin.js"),
  "[data-passkeys]": () => import("./passkeys.js"),
  "[data-proof]": () => import("./proof.js"),
  "[data-kinds]": () => import("./live.js"),
  "table[data-sorts]": () => import("./tables.js"),
  'meta[name="csrf"]': () => import("./door.js"),
};

async function prepare(root) {
  for (const [selector, load] of Object.entries(NEEDS)) {
    const itself = root.matches?.(selector) ? [root] : [];
    for (const found of [...itself, ...root.querySelectorAll(selector)]) {
      if (found.dataset.ready) continue;
      found.dataset.ready = "1";
      (await load()).start(found);
    }
  }
}

// A menu that was opened closes with Escape, or when something else is pointed at.
document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && document.querySelector(".menu[open]");
  if (open) {
    open.open = false;
    open.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  document.querySelectorAll(".menu[open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});
document.addEventListener("htmx:afterSettle", (event) => prepare(event.target));
prepare(document);
