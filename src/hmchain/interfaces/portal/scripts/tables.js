// Tables that can be sorted by a column: a button in each head; the order is said to screen readers.

/** @param {HTMLTableElement} table */
export function start(table) {
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => sort(table, head, column));
  });
}

function sort(table, head, column) {
  const isUp = head.getAttribute("aria-sort") !== "ascending";
  table.querySelectorAll("thead th").forEach((each) => each.setAttribute("aria-sort", "none"));
  head.setAttribute("aria-sort", isUp ? "ascending" : "descending");
  const body = table.tBodies[0];
  const order = new Intl.Collator(document.documentElement.lang, { numeric: true });
  const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  body.append(...Array.from(body.rows).sort((one, other) => (isUp ? 1 : -1) * order.compare(key(one), key(other))));
}
