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

  const distinct = (values) => [...new Set(values)];
  const categories = distinct(data.datasets.flatMap((each) => each.categories)).sort((a, b) => a.localeCompare(b, "en"));
  const nameless = data.datasets.some((each) => each.category.includes(null));
  const series = distinct(data.views.map((view) => view.series));
  const CHOICES = {
    dataset: data.datasets.map((each) => each.title),
    prompt: distinct(data.views.map((view) => view.label)),
    model: series,
    beside: series,
    category: nameless && categories.length ? [...categories, Masks.NONE] : categories,
    size: data.sizes.map(([, name]) => name),
    reason: (data.reasons ?? []).map((each) => [each.name, each.title]),
    sort: Object.entries(Masks.ORDERS).map(([key, { title }]) => [key, title]),
  };
  const ALL = { beside: "no other", sort: null };
  for (const [key, values] of Object.entries(CHOICES)) {
    const select = section.querySelector(`select[data-filter="${key}"]`);
    const all = key in ALL ? ALL[key] : "all";
    if (all !== null) select.append(make("option", { value: "" }, all));
    for (const value of values) {
      const [said, title] = Array.isArray(value) ? value : [value, value];
      select.append(make("option", { value: said }, title));
    }
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
        if (document.activeElement !== field) field.value = end ?? "";
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
  /** Puts an address in the place of the present one, without a further entry in the history. */
  const replaced = (address) => {
    if (address !== location.hash) location.replace(address);
  };
  for (const field of fields) {
    field.addEventListener(field.type === "search" ? "input" : "change", () => replaced(Masks.listAddress(asked())));
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
    const counts = Array(data.bins).fill(0);
    for (const record of Masks.passing(filters, "iou")) counts[Masks.barOf(Masks.iou(record))] += 1;
    const most = Math.max(...counts, 1);
    counts.forEach((count, bar) => {
      const link = bars.children[bar];
      const [low, high] = edges(bar);
      const reach = `${low}..${high}`;
      const chosen = filters.iou === reach;
      link.title = `IoU ${low} to ${high}: ${counted(count, "mask")}`;
      link.setAttribute("aria-label", link.title);
      link.setAttribute("aria-pressed", String(chosen));
      link.style.setProperty("--height", `${(100 * count) / most}%`);
      link.toggleAttribute("data-empty", count === 0);
      if (count === 0) link.removeAttribute("href");
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
  const several = (filters) => series.length > 1 && !filters.model;
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
    const parts = [counted(found.length, "mask")];
    if (filters.iou) parts.push(`with IoU ${filters.iou.replace("..", " to ")}`);
    const pictures = drawn.length > 0 && others.length > 0 ? `, ${drawn.length.toLocaleString("en")} with a picture` : "";
    find("said").textContent = `${parts.join(" ")}${pictures}.`;
    find("tiles").replaceChildren(...drawn.slice(0, tiles).map((record) => tile(record, filters)));
    const further = find("further");
    further.hidden = drawn.length <= tiles;
    further.textContent = `${counted(drawn.length - tiles, "further picture")}`;
    const more = find("more");
    more.hidden = others.length === 0;
    more.querySelector("summary").textContent =
      `${counted(others.length, "mask")} ${data.files ? "whose picture is not loaded" : "without a picture"}` +
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
    /** Chooses the masks that pass the filters, and shows them. */
    choose: (filters) => {
      Masks.filters = filters;
      Masks.found = Masks.ordered(Masks.passing(filters), filters);
      tiles = TILES;
      show(filters);
      showBars(filters);
      showMasks(filters);
    },
    /** Chooses them without showing them, behind a mask that is open. */
    plan: (filters) => {
      Masks.filters = filters;
      Masks.found = Masks.ordered(Masks.passing(filters), filters);
    },
    say: (text) => {
      find("said").textContent = text;
    },
    into: () => section.scrollIntoView({ block: "start", behavior: "instant" }),
  };
})();
