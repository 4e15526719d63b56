"use strict";
// The masks of the page, the filters that choose among them, and the addresses of both. It draws
// nothing. All texts of the data are plain strings here.
const Masks = (() => {
  const data = JSON.parse(document.getElementById("masks-data").textContent);
  const { unit, views, datasets, runs } = data;

  // ------------------------------------------------------------------ values

  /** Every mask of every view, in the order of the views. */
  const records = views.flatMap((view) => {
    const found = [];
    (view.iou ?? []).forEach((iou, mask) => {
      if (iou !== null) found.push({ view, mask });
    });
    return found;
  });
  /** A value in points with one decimal, halves upwards (bench/report/bins.py). */
  const tenths = (value) => Math.floor((1000 * value) / unit + 0.5) / 10;
  const points = (value) => (value === null || value === undefined ? "–" : tenths(value).toFixed(1));
  const signed = (value) => {
    if (value === null) return "–";
    const text = tenths(Math.abs(value)).toFixed(1);
    if (Number(text) === 0) return "0.0";
    return value < 0 ? `−${text}` : `+${text}`;
  };
  const dataset = (record) => datasets[record.view.dataset];
  const maskId = (record) => dataset(record).mask[record.mask];
  const imageId = (record) => dataset(record).images[dataset(record).image[record.mask]];
  const named = (image, mask) => (mask.startsWith(`${image}/`) ? mask : `${image} · ${mask}`);
  const name = (record) => named(imageId(record), maskId(record));
  const iou = (record) => record.view.iou[record.mask];
  const predicted = (record) => record.view.predicted?.[record.mask] ?? null;
  const step = (record) => record.view.carried[record.mask] ?? record.view.step;
  const area = (record) => dataset(record).area[record.mask];
  const size = (record) => data.sizes.find(([limit]) => limit === null || area(record) < limit)[1];
  const category = (record) => {
    const { categories, category: codes } = dataset(record);
    return codes[record.mask] === null ? null : categories[codes[record.mask]];
  };
  const NONE = "none"; // of a mask that has no category
  const NAMELESS = "(no name)"; // of a category whose name is empty
  const categoryTitle = (name) => {
    if (name === null) return NONE;
    return name.trim() === "" ? NAMELESS : name;
  };
  const reason = (record) => (record.view.reason ? data.reasons[record.view.reason[record.mask]] : null);

  const siblings = new Map();
  views.forEach((view) => siblings.set(JSON.stringify([view.dataset, view.label, view.series]), view));
  /** The view of another series with the same prompt on the same dataset. */
  const sibling = (view, series) => siblings.get(JSON.stringify([view.dataset, view.label, series]));
  const beside = (record, series) => {
    const view = series ? sibling(record.view, series) : null;
    return view?.iou?.[record.mask] ?? null;
  };
  const difference = (record, series) => {
    const other = beside(record, series);
    return other === null ? null : iou(record) - other;
  };
  const barOf = (value) => Math.max(0, Math.min(data.bins - 1, Math.floor((value * data.bins) / unit)));

  // ------------------------------------------------------------------ filters

  /** The ends of a range "45..50" in points, null where open; null for what is no range. */
  const range = (text) => {
    const ends = text.split("..").map((each) => (each.trim() === "" ? null : Number(each)));
    const known = ends.filter((end) => end !== null);
    return ends.length === 2 && known.length > 0 && known.every(Number.isFinite) ? ends : null;
  };
  /** A range in words. */
  const reach = (text) => {
    const [low, high] = range(text);
    const said = (end) => String(end).replace("-", "−");
    if (high === null) return `from ${said(low)}`;
    return low === null ? `up to ${said(high)}` : `${said(low)} to ${said(high)}`;
  };
  /** From the first end, to below the second; 100 is below nothing. */
  const inside = (value, text) => {
    if (value === null) return false;
    const [low, high] = range(text);
    return (low === null || 100 * value >= low * unit)
      && (high === null || high >= 100 || 100 * value < high * unit);
  };
  const shares = (value) => (value === null ? null : Math.max(0, Math.min(unit, value)));
  const FILTERS = {
    dataset: (record, wanted) => dataset(record).title === wanted,
    prompt: (record, wanted) => record.view.label === wanted,
    model: (record, wanted) => record.view.series === wanted,
    beside: (record, wanted) => beside(record, wanted) !== null,
    category: (record, wanted) => categoryTitle(category(record)) === wanted,
    size: (record, wanted) => size(record) === wanted,
    reason: (record, wanted) => reason(record)?.name === wanted,
    iou: (record, wanted) => inside(iou(record), wanted),
    predicted: (record, wanted) => inside(shares(predicted(record)), wanted),
    "beside-iou": (record, wanted, all) => inside(beside(record, all.beside), wanted),
    difference: (record, wanted, all) => inside(difference(record, all.beside), wanted),
    asked: (record) => !(record.mask in record.view.carried),
    id: (record, wanted) => {
      const text = `${imageId(record)}\n${maskId(record)}`.toLowerCase();
      return text.includes(wanted.toLowerCase());
    },
  };
  const last = (value, sign) => (value === null ? Infinity : sign * value);
  const ORDERS = {
    iou: { title: "lowest IoU first", by: (record) => iou(record) },
    "-iou": { title: "highest IoU first", by: (record) => -iou(record) },
    difference: { title: "most behind first", by: (record, all) => last(difference(record, all.beside), 1) },
    "-difference": { title: "most ahead first", by: (record, all) => last(difference(record, all.beside), -1) },
    predicted: {
      title: "most overrated first",
      by: (record) => (predicted(record) === null ? Infinity : iou(record) - predicted(record)),
    },
  };

  const distinct = (values) => [...new Set(values)];
  const categories = distinct(datasets.flatMap((each) => each.categories.map(categoryTitle)));
  const nameless = datasets.some((each) => each.category.includes(null));
  const plain = (values) => values.map((value) => [value, value]);
  const series = plain(distinct(views.map((view) => view.series)));
  /** The values that a filter can have, each with its title. */
  const CHOICES = {
    dataset: plain(datasets.map((each) => each.title)),
    prompt: plain(distinct(views.map((view) => view.label))),
    model: series,
    beside: series,
    category: plain([...categories.sort((a, b) => a.localeCompare(b, "en")), ...(nameless ? [NONE] : [])]),
    size: plain(data.sizes.map(([, title]) => title)),
    reason: (data.reasons ?? []).map((each) => [each.name, each.title]),
    sort: Object.entries(ORDERS).map(([key, { title }]) => [key, title]),
  };
  const RANGES = { iou: "IoU", predicted: "predicted IoU", "beside-iou": "IoU of beside", difference: "difference" };
  const rangeTitle = (key) => RANGES[key][0].toUpperCase() + RANGES[key].slice(1);
  const NOUNS = { beside: "model", sort: "order" };

  const hasChoice = (key, value) => CHOICES[key].some(([each]) => each === value);
  /** Why a filter of an address can't be asked here; null where it can. */
  const unasked = (key, value, all) => {
    if (Object.hasOwn(CHOICES, key)) {
      return hasChoice(key, value) ? null : `This page has no ${NOUNS[key] ?? key} “${value}”.`;
    }
    if (Object.hasOwn(RANGES, key)) {
      if (range(value) === null) return `${rangeTitle(key)} “${value}” is no range of numbers, as 40..50, 40.. or ..50 are.`;
      const alone = ["beside-iou", "difference"].includes(key) && !hasChoice("beside", all.beside);
      return alone ? `“${key}” asks for a model beside, and there is none.` : null;
    }
    if (key === "asked") return value === "yes" ? null : `“asked” is “yes” or not there; it is “${value}”.`;
    return key === "id" ? null : `This page has no filter “${key}”.`;
  };
  /** What is odd about a range that leaves nothing, whatever the masks; null for any other. */
  const emptied = (key, value) => {
    const [low, high] = range(value);
    if (low === null || high === null || low < high || (low === high && high >= 100)) return null;
    return `${rangeTitle(key)} ${reach(value)} leaves nothing: ${low > high ? "its ends are the wrong way round" : "it ends where it begins"}.`;
  };
  /** The filters of an address that can be asked here, and a sentence on each other one. */
  const understood = (said) => {
    const filters = {};
    const faults = [];
    for (const [key, value] of Object.entries(said)) {
      const fault = unasked(key, value, said);
      if (fault === null) filters[key] = value;
      faults.push(fault ?? (Object.hasOwn(RANGES, key) ? emptied(key, value) : null));
    }
    return { filters, faults: faults.filter((fault) => fault !== null) };
  };

  /** The records that pass every filter but the one left out, not ordered. */
  const passing = (filters, without = null) => {
    const asked = Object.entries(FILTERS).filter(([key]) => filters[key] && key !== without);
    return records.filter((record) => asked.every(([key, passes]) => passes(record, filters[key], filters)));
  };
  const ordered = (found, filters) => {
    const { by } = ORDERS[filters.sort] ?? ORDERS.iou;
    const keys = new Map(found.map((record, place) => [record, [by(record, filters), place]]));
    return found.sort((a, b) => {
      const [left, right] = [keys.get(a), keys.get(b)];
      return left[0] === right[0] ? left[1] - right[1] : left[0] - right[0];
    });
  };

  // ------------------------------------------------------------------ addresses

  const MOST_RUNS = 3;
  const query = (pairs) =>
    pairs.map(([key, value]) => `${key}=${encodeURIComponent(value).replaceAll("%2F", "/")}`).join("&");
  const listAddress = (filters) => {
    const pairs = [...Object.keys(FILTERS), "sort"].filter((key) => filters[key]).map((key) => [key, filters[key]]);
    return pairs.length ? `#masks&${query(pairs)}` : "#masks&sort=iou";
  };
  const maskAddress = (image, mask, addresses, at, candidate = null) => {
    const where = mask.startsWith(`${image}/`) ? [] : [["image", image]];
    const through = addresses.map((address) => ["run", address]);
    const which = candidate === null ? [] : [["candidate", candidate]];
    return `#${query([["mask", mask], ...where, ...through, ["step", at], ...which])}`;
  };
  /**
   * A list's filters, or a mask, its runs, step and candidate, and sentences on what the page has not; the
   * sentence alone where it has no such mask; null for an address of anything else.
   */
  const parsed = (hash) => {
    if (hash === "#masks") return { filters: { ...data.start }, faults: [] };
    if (hash.startsWith("#masks&")) {
      const given = [...new URLSearchParams(hash.slice(7))].filter(([, value]) => value !== "");
      return understood(Object.fromEntries(given));
    }
    if (!hash.startsWith("#mask=")) return null;
    const said = new URLSearchParams(hash.slice(1));
    const [mask, image, at, which] = ["mask", "image", "step", "candidate"].map((key) => said.get(key));
    const asked = distinct(said.getAll("run"));
    const through = asked.filter((address) => Object.hasOwn(runs, address));
    const of = through.length ? [runs[through[0]].dataset] : datasets.keys();
    for (const number of asked.length && !through.length ? [] : of) {
      const { mask: ids, images, image: codes } = datasets[number];
      const index = ids.findIndex((id, i) => id === mask && (image === null || images[codes[i]] === image));
      if (index < 0) continue;
      const having = through.filter((address) => runs[address].dataset === number && has(address, index));
      const first = views.find((view) => view.dataset === number && (view.iou ?? [])[index] != null);
      if (through.length && !having.length) continue;
      const [step, candidate] = [at, which].map((text) => (/^0*[1-9]\d*$/.test(text ?? "") ? Number(text) : null));
      const faults = [
        ...asked.filter((each) => !through.includes(each)).map((each) => `This page has no run “${each}”.`),
        ...through.filter((each) => !having.includes(each)).map((each) => `Run “${each}” has no answer for this mask.`),
        ...having.slice(MOST_RUNS).map((each) => `Run “${each}” is left out: ${MOST_RUNS} runs stand beside each other at most.`),
        ...(at === null || step ? [] : [`“${at}” is no step; steps are 1, 2, 3 and so on.`]),
        ...(which === null || candidate ? [] : [`“${which}” is no candidate; candidates are 1, 2, 3 and so on.`]),
      ];
      const addresses = having.length ? having.slice(0, MOST_RUNS) : [first.run];
      return { dataset: number, mask: index, runs: addresses, step, candidate, faults };
    }
    const where = image === null ? "" : ` of image “${image}”`;
    const by = asked.length ? ` in ${asked.map((each) => `run “${each}”`).join(" or ")}` : "";
    return { lost: `This page has no mask “${mask}”${where}${by}.` };
  };
  const ofRun = new Map();
  views.forEach((view) => ofRun.set(view.run, [...(ofRun.get(view.run) ?? []), view]));
  /** Whether a run has a row of the mask. */
  const has = (address, mask) => ofRun.get(address).some((view) => (view.iou ?? [])[mask] != null);

  // ------------------------------------------------------------------ pictures

  const pictures = new Map(Object.entries(data.pictures));
  const waiting = new Map();
  /** Puts pictures in that a file beside the page holds. */
  window.takePictures = (found) => {
    for (const [key, picture] of Object.entries(found)) pictures.set(key, picture);
  };
  const picture = (number, mask) => pictures.get(`${number}:${mask}`);
  /** Loads the file of a mask's picture, where pictures lie beside the page; then calls back. */
  const fetched = (number, mask, then) => {
    if (!data.files || picture(number, mask)) return;
    const file = `pictures/${number}_${Math.floor(mask / data["in_a_file"])}.js`;
    if (!waiting.has(file)) {
      waiting.set(file, []);
      const script = document.createElement("script");
      script.src = file;
      script.addEventListener("load", () => waiting.get(file).splice(0).forEach((each) => each()));
      document.head.append(script);
    }
    waiting.get(file).push(then);
  };

  // ------------------------------------------------------------------ CSV

  const COLUMNS = ["dataset", "image_id", "mask_id", "category", "area", "model", "prompt", "run", "step",
    "iou", "predicted_iou", "reason", "beside", "beside_iou", "difference"];
  const share = (value) => (value === null ? "" : String(value / unit));
  const csv = (found, filters) => {
    const other = filters.beside ?? "";
    const lines = found.map((record) => [
      dataset(record).title, imageId(record), maskId(record), category(record) ?? "", area(record),
      record.view.series, record.view.label, runs[record.view.run].name, step(record), share(iou(record)),
      share(predicted(record)), reason(record)?.name ?? "", other, share(beside(record, other)),
      share(difference(record, other)),
    ]);
    const cell = (value) => (/[",\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
    return [COLUMNS, ...lines].map((line) => `${line.map(cell).join(",")}\r\n`).join("");
  };

  return {
    data, points, signed, name, named, iou, predicted, step, difference, reason, category, categoryTitle,
    area, size, maskId, imageId, sibling, barOf, range, reach, passing, ordered, CHOICES, RANGES, MOST_RUNS,
    listAddress, maskAddress, parsed, has, ofRun, picture, fetched, csv,
    /** What is chosen now: the filters, sentences on those that can't be asked, and the records in order. */
    filters: { ...data.start }, faults: [], found: [],
  };
})();

/** Elements and drawings with their attributes and text. */
const make = (tag, attributes = {}, text = null) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  return node;
};
const draw = (tag, attributes = {}, text = null) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  return node;
};
const counted = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
/** How many masks were found; how many answers on them, where a mask has several. */
const countedMasks = (found, before = "") => {
  const masks = new Set(found.map((record) => `${record.view.dataset}:${record.mask}`)).size;
  if (masks === found.length) return counted(masks, `${before}mask`);
  return `${counted(found.length, `${before}answer`)} on ${counted(masks, "mask")}`;
};

/** A mask's picture at a step of a run: target, prediction and prompt over it. */
const drawMask = (picture, step, alt) => {
  const { width, height, picture: href, target } = picture;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": alt });
  svg.append(draw("image", { href, width, height }));
  const layer = (kind, ...nodes) => {
    const group = draw("g", { class: kind });
    group.append(...nodes);
    svg.append(group);
  };
  if (step.outline) {
    layer("prediction", draw("path", { d: step.outline, class: "edge" }), draw("path", { d: step.outline }));
  }
  layer("target", draw("path", { d: target, class: "edge" }), draw("path", { d: target }));
  const prompt = [];
  for (const [x, y, right, bottom] of step.boxes) {
    const place = { x, y, width: right - x, height: bottom - y };
    prompt.push(draw("rect", { ...place, class: "edge" }), draw("rect", place));
  }
  for (const [label, places] of step.lines) {
    const line = { points: places.map((place) => place.join(",")).join(" "), fill: "none" };
    prompt.push(draw("polyline", { ...line, class: `${label === 1 ? "positive" : "negative"} line` }));
  }
  step.points.forEach(([x, y, label], index) => {
    const click = draw("g", { class: label === 1 ? "positive click" : "negative click" });
    click.setAttribute("transform", `translate(${x} ${y})`);
    click.append(
      label === 1 ? draw("circle", { r: 9 }) : draw("rect", { x: -8, y: -8, width: 16, height: 16 }),
      draw("text", { dy: ".35em" }, String(index + 1)),
    );
    prompt.push(click);
  });
  layer("prompt", ...prompt);
  return svg;
};
