"use strict";
// A click on a heading sorts by it, a second click the other way round; ties keep their order.
// What is typed into a table's filter leaves the lines whose names hold all of its words.
document.querySelectorAll("table.sortable").forEach((table) => {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const number = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.sort ?? cell.textContent.trim();
    const value = Number.parseFloat(text.replace("−", "-").replaceAll(",", ""));
    return Number.isFinite(value) && !heads[column].classList.contains("name") ? value : text;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), "en", { numeric: true });
  let sorted = false;
  let filtered = false;
  // Where lines are missing or in another order, each says again which dataset it is of.
  const mark = () => body.classList.toggle("sorted", sorted || filtered);
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const first = head.classList.contains("name") ? "ascending" : "descending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = before === first ? other : first;
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const rows = [...body.rows];
      rows.sort((a, b) => sign * compare(number(a, column), number(b, column)));
      sorted = column > 0 || order === "descending";
      mark();
      body.append(...rows);
    });
  });
  const box = document.querySelector(`.filter[data-table="${table.closest("section").id}"]`);
  if (!box) return;
  box.hidden = false;
  const [field, count] = [box.querySelector("input"), box.querySelector("[role=status]")];
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    filtered = words.length > 0;
    let left = 0;
    for (const row of body.rows) {
      // Cells apart, so that no word is found across two of them.
      const names = [...row.querySelectorAll(".name")].map((cell) => cell.textContent);
      const text = names.join("\n").toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      left += row.hidden ? 0 : 1;
    }
    mark();
    count.textContent = filtered ? `${left} of ${body.rows.length} lines` : "";
  });
});
