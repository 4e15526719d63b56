"use strict";
// The list of masks: its filters, the histogram of what passes them, and a tile or a line of each.
const MaskList = (() => {
  const { data } = Masks;
  const section = document.getElementById("masks");
  const find = (id) => document.getElementById(`masks-${id}`);
  const fields = [...section.querySelectorAll("[data-filter]")];
  const TILES = 48;
  const LISTED = 500;
  let tiles = TILES;

  // ------------------------------------------------------------------ filters

  const ALL = { beside: "no other", sort: null };
  for (const [key, values] of Object.entries(Masks.CHOICES)) {
    const select = section.querySelector(`select[data-filter="${key}"]`);
    const all = key in ALL ? ALL[key] : "all";
    if (all !== null) select.append(make("option", { value: "" }, all));
    for (const [value, title] of values) select.append(make("option", { value }, title));
    select.parentElement.hidden = values.length < 2;
  }
  const hasPredicted = data.views.some((view) => view.predicted);
  const hasCarried = data.views.some((view) => Object.keys(view.carried).length);

  const show = (filters) => {
    for (const field of fields) {
      const key = field.dataset.filter;
      if (field.type === "checkbox") field.checked = Boolean(filters[key]);
      else if (field.type !== "number") field.value = filters[key] ?? (key === "sort" ? "iou" : "");
      else {
        const end = Masks.range(filters[key] ?? "..")?.[Number(field.dataset.end)] ?? null;
        field.value = end ?? "";
      }
    }
    const hide = (key, hidden) => {
      for (const field of fields.filter((each) => each.dataset.filter === key)) {
        (field.closest(".range-of") ?? field.parentElement).hidden = hidden;
      }
    };
    hide("predicted", !hasPredicted);
    hide("asked", !hasCarried);
    for (const key of ["beside-iou", "difference"]) hide(key, !filters.beside);
  };
  const asked = () => {
    const filters = {};
    for (const field of fields) {
      const key = field.dataset.filter;
      if (field.type === "checkbox") filters[key] = field.checked ? "yes" : "";
      else if (field.type !== "number") filters[key] = field.value;
      else filters[key] = `${filters[key] ?? ""}${field.dataset.end === "1" ? ".." : ""}${field.value}`;
      if (filters[key] === "..") filters[key] = "";
    }
    if (filters.sort === "iou") filters.sort = "";
    if (!filters.beside) for (const key of ["beside-iou", "difference"]) filters[key] = "";
    return filters;
  };
  /** The field that is being typed in, and the address that it led to. */
  let typed = { field: null, address: null };
  /** Follows what the fields ask: typing on in one field makes no further entry in the history. */
  const ask = (field) => {
    const address = Masks.listAddress(asked());
    if (address === location.hash) return;
    if (typed.field === field && typed.address === location.hash) location.replace(address);
    else location.hash = address;
    typed = { field: ["number", "search"].includes(field.type) ? field : null, address };
  };
  for (const field of fields) {
    field.addEventListener(field.type === "search" ? "input" : "change", () => ask(field));
    field.addEventListener("blur", () => {
      typed = { field: null, address: null };
    });
  }
  find("reset").addEventListener("click", () => {
    location.hash = Masks.listAddress({});
  });
  find("csv").addEventListener("click", () => {
    const blob = new Blob([Masks.csv(Masks.found, Masks.filters)], { type: "text/csv" });
    const link = make("a", { href: URL.createObjectURL(blob), download: "masks.csv" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });

  // ------------------------------------------------------------------ histogram

  const bars = section.querySelector(".bars");
  const edges = (bar) => [bar, bar + 1].map((edge) => (100 * edge) / data.bins);
  for (let bar = 0; bar < data.bins; bar += 1) bars.append(make("a", { role: "button" }));
  const showBars = (filters) => {
    const held = Array.from({ length: data.bins }, () => []);
    for (const record of Masks.passing(filters, "iou")) held[Masks.barOf(Masks.iou(record))].push(record);
    const most = Math.max(...held.map((each) => each.length), 1);
    held.forEach((found, bar) => {
      const link = bars.children[bar];
      const [low, high] = edges(bar);
      const reach = `${low}..${high}`;
      const chosen = filters.iou === reach;
      link.title = `IoU ${low} to ${high}: ${countedMasks(found)}`;
      link.setAttribute("aria-label", link.title);
      link.setAttribute("aria-pressed", String(chosen));
      link.style.setProperty("--height", `${(100 * found.length) / most}%`);
      link.toggleAttribute("data-empty", found.length === 0);
      if (found.length === 0) link.removeAttribute("href");
      else link.href = Masks.listAddress({ ...filters, iou: chosen ? "" : reach });
    });
  };
  bars.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!move) return;
    const all = [...bars.children];
    let next = all.indexOf(document.activeElement) + move;
    while (all[next] && !all[next].href) next += move;
    if (all[next]) {
      all[next].focus();
      event.preventDefault();
    }
  });

  // ------------------------------------------------------------------ tiles and lines

  /** The step that a view shows of a mask, of its picture. */
  const drawnStep = (record) => {
    const steps = Masks.picture(record.view.dataset, record.mask)?.runs[record.view.run] ?? [];
    return steps.find((each) => each.step === Masks.step(record));
  };
  const address = (record) => {
    const other = Masks.filters.beside ? Masks.sibling(record.view, Masks.filters.beside) : null;
    const runs = [...new Set([record.view.run, ...(other && other.run ? [other.run] : [])])];
    return Masks.maskAddress(Masks.imageId(record), Masks.maskId(record), runs, Masks.step(record));
  };
  const several = (filters) => Masks.CHOICES.model.length > 1 && !filters.model;
  const numbers = (record, filters) => {
    const parts = [make("b", {}, Masks.points(Masks.iou(record)))];
    const said = [];
    if (Masks.predicted(record) !== null) said.push(`predicted ${Masks.points(Masks.predicted(record))}`);
    if (filters.beside) said.push(`${Masks.signed(Masks.difference(record, filters.beside))} to ${filters.beside}`);
    if (several(filters)) said.push(record.view.series);
    if (Masks.reason(record)) said.push(Masks.reason(record).title);
    if (said.length) parts.push(make("span", { class: "quiet" }, ` ${said.join(", ")}`));
    return parts;
  };
  const tile = (record, filters) => {
    const link = make("a", { class: "tile", href: address(record) });
    link.setAttribute("aria-label", `IoU ${Masks.points(Masks.iou(record))}, ${Masks.name(record)}`);
    const caption = make("span", { class: "under" });
    caption.append(...numbers(record, filters), make("span", { class: "id" }, Masks.name(record)));
    const picture = Masks.picture(record.view.dataset, record.mask);
    link.append(drawMask(picture, drawnStep(record), `Mask ${Masks.name(record)}`), caption);
    return link;
  };
  const line = (record, filters) => {
    const item = make("li");
    const link = make("a", { href: address(record) });
    link.append(...numbers(record, filters), ` ${Masks.name(record)}`);
    item.append(link);
    return item;
  };

  const showMasks = (filters) => {
    const { found } = Masks;
    const drawn = found.filter(drawnStep);
    const others = found.filter((record) => !drawnStep(record));
    const ranges = Object.entries(Masks.RANGES).filter(([key]) => filters[key]);
    const within = ranges.map(([key, title]) => `${title} ${Masks.reach(filters[key])}`).join(", ");
    const pictures = drawn.length > 0 && others.length > 0 ? `; ${countedMasks(drawn)} with a picture` : "";
    find("said").textContent = `${countedMasks(found)}${within && ` with ${within}`}${pictures}.`;
    find("faults").textContent = Masks.faults.join(" ");
    find("tiles").replaceChildren(...drawn.slice(0, tiles).map((record) => tile(record, filters)));
    const further = find("further");
    further.hidden = drawn.length <= tiles;
    further.textContent = countedMasks(drawn.slice(tiles), "further ");
    const more = find("more");
    more.hidden = others.length === 0;
    more.querySelector("summary").textContent =
      `${countedMasks(others)} ${data.files ? "whose picture is not loaded" : "without a picture"}` +
      (others.length > LISTED ? `, the first ${LISTED} listed` : "");
    more.querySelector("ol").replaceChildren(...others.slice(0, LISTED).map((record) => line(record, filters)));
    if (data.files) {
      others.slice(0, TILES - drawn.length).forEach((record) => Masks.fetched(record.view.dataset, record.mask, later));
    }
  };
  let planned = false;
  const later = () => {
    if (!planned) requestAnimationFrame(() => {
      planned = false;
      showMasks(Masks.filters);
    });
    planned = true;
  };
  find("further").addEventListener("click", () => {
    tiles += TILES;
    showMasks(Masks.filters);
  });

  section.hidden = false;
  return {
    address,
    /** Chooses the masks that pass the filters, and shows them and what could not be asked. */
    choose: (filters, faults) => {
      Object.assign(Masks, { filters, faults });
      Masks.found = Masks.ordered(Masks.passing(filters), filters);
      tiles = TILES;
      show(filters);
      showBars(filters);
      showMasks(filters);
    },
    /** Chooses them without showing them, behind a mask that is open. */
    plan: (filters) => {
      Object.assign(Masks, { filters, faults: [] });
      Masks.found = Masks.ordered(Masks.passing(filters), filters);
    },
    say: (text) => {
      find("said").textContent = text;
    },
    into: () => section.scrollIntoView({ block: "start", behavior: "instant" }),
  };
})();
