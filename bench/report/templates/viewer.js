"use strict";
// Histogram → masks of a bar → one mask, step by step. All texts of the data enter as text.
{
  const find = (id) => document.getElementById(id);
  const data = JSON.parse(find("masks-data").textContent);
  const section = find("masks");
  const dialog = find("mask");
  const LISTED = 500;
  const points = (value) => (value === null ? "–" : ((100 * value) / data.unit).toFixed(1));
  const counted = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

  const make = (name, attributes = {}, text = null) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== null) node.textContent = text;
    return node;
  };
  const draw = (name, attributes = {}, text = null) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== null) node.textContent = text;
    return node;
  };

  // ------------------------------------------------------------------ what is chosen

  const state = { dataset: 0, series: null, label: null, bar: null, mask: null, run: null, step: 0 };
  const dataset = () => data.datasets[state.dataset];
  const view = () =>
    dataset().views.find((each) => each.series === state.series && each.label === state.label);
  const picture = (mask) => data.pictures[`${state.dataset}:${mask}`];
  const steps = (mask, run) => picture(mask)?.runs[run] ?? [];
  const shown = (mask) => steps(mask, view().run).findLast((each) => each.step <= view().step);
  const barOf = (iou) => Math.min(data.bins - 1, Math.floor((iou * data.bins) / data.unit));

  const options = (select, values, chosen) => {
    select.replaceChildren(...values.map((value) => make("option", { value }, value)));
    select.value = chosen;
    select.parentElement.hidden = values.length < 2;
  };
  const keep = (values, wanted) => (values.includes(wanted) ? wanted : values[0]);

  const choose = () => {
    const views = dataset().views;
    const series = [...new Set(views.map((each) => each.series))];
    state.series = keep(series, state.series);
    const labels = views.filter((each) => each.series === state.series).map((each) => each.label);
    state.label = keep(labels, state.label);
    options(find("masks-series"), series, state.series);
    options(find("masks-label"), labels, state.label);
    showBars();
  };

  // ------------------------------------------------------------------ histogram and its masks

  const bars = section.querySelector(".bars");
  const edges = (bar) => [bar, bar + 1].map((edge) => (100 * edge) / data.bins);
  for (let bar = 0; bar < data.bins; bar += 1) {
    const button = make("button", { type: "button" });
    button.addEventListener("click", () => {
      state.bar = bar;
      showBars();
    });
    bars.append(button);
  }

  const showBars = () => {
    const counts = Array(data.bins).fill(0);
    for (const iou of view().iou ?? []) if (iou !== null) counts[barOf(iou)] += 1;
    const most = Math.max(...counts, 1);
    if (state.bar === null || counts[state.bar] === 0) state.bar = counts.indexOf(most);
    counts.forEach((count, bar) => {
      const button = bars.children[bar];
      const [low, high] = edges(bar);
      button.title = `IoU ${low} to ${high}: ${counted(count, "mask")}`;
      button.setAttribute("aria-label", button.title);
      button.setAttribute("aria-pressed", String(bar === state.bar));
      button.style.setProperty("--height", `${(100 * count) / most}%`);
      button.disabled = count === 0;
    });
    showMasks();
  };

  bars.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!move) return;
    const all = [...bars.children];
    let next = all.indexOf(document.activeElement) + move;
    while (all[next]?.disabled) next += move;
    if (all[next]) {
      all[next].focus();
      event.preventDefault();
    }
  });

  const showMasks = () => {
    const { iou } = view();
    const found = [];
    (iou ?? []).forEach((value, mask) => {
      if (value !== null && barOf(value) === state.bar) found.push(mask);
    });
    found.sort((a, b) => iou[a] - iou[b] || a - b);
    const [low, high] = edges(state.bar);
    const drawn = found.filter((mask) => shown(mask));
    const others = found.filter((mask) => !shown(mask));
    find("masks-said").textContent =
      `${counted(found.length, "mask")} with IoU ${low} to ${high}` +
      (drawn.length > 0 && others.length > 0 ? `, ${drawn.length.toLocaleString("en")} with a picture` : "") +
      (drawn.length > 0 ? "; choose one to step through its prompts." : ".");
    find("masks-tiles").replaceChildren(...drawn.map(tile));
    const more = find("masks-more");
    more.hidden = others.length === 0;
    const listed = others.slice(0, LISTED);
    more.querySelector("summary").textContent =
      `${counted(others.length, "mask")} without a picture` +
      (others.length > LISTED ? `, the first ${LISTED} listed` : "");
    more.querySelector("ol").replaceChildren(
      ...listed.map((mask) => {
        const line = make("li");
        line.append(make("b", {}, points(iou[mask])), ` ${name(mask)}`);
        return line;
      }),
    );
  };

  const name = (mask) => {
    const image = dataset().images[dataset().image[mask]];
    const id = dataset().mask[mask];
    return id.startsWith(`${image}/`) ? id : `${image} · ${id}`;
  };

  const tile = (mask) => {
    const last = shown(mask);
    const button = make("button", { type: "button", class: "tile" });
    button.setAttribute("aria-label", `IoU ${points(view().iou[mask])}, ${name(mask)}`);
    const caption = make("span", { class: "under" });
    caption.append(make("b", {}, points(view().iou[mask])));
    if (last.predicted !== null) {
      caption.append(make("span", { class: "quiet" }, ` predicted ${points(last.predicted)}`));
    }
    caption.append(make("span", { class: "id" }, name(mask)));
    button.append(drawing(mask, last, `Mask ${name(mask)}`), caption);
    button.addEventListener("click", () => open(mask));
    return button;
  };

  // ------------------------------------------------------------------ one mask

  const drawing = (mask, step, alt) => {
    const { width, height, picture: href, target } = picture(mask);
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
      const kind = label === 1 ? "positive" : "negative";
      prompt.push(draw("polyline", { ...line, class: `${kind} line` }));
    }
    step.points.forEach(([x, y, label], index) => {
      const click = draw("g", { class: label === 1 ? "positive" : "negative" });
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

  const showStep = () => {
    const all = steps(state.mask, state.run);
    const step = all[state.step];
    const clicks = step.points.length;
    const asked = [
      step.boxes.length ? "box" : null,
      step.lines.length ? counted(step.lines.length, "line") : null,
      clicks ? counted(clicks, "click") : null,
      ...step.words.map((words) => `“${words}”`),
    ];
    const said = asked.filter(Boolean).join(" and ") || "no prompt";
    const alt = `After ${said}: IoU ${points(step.iou)}`;
    find("mask-picture").replaceChildren(drawing(state.mask, step, alt));
    find("mask-step").textContent = `Step ${state.step + 1} of ${all.length}: ${said}`;
    find("mask-back").disabled = state.step === 0;
    find("mask-on").disabled = state.step === all.length - 1;
    find("mask-curve").replaceChildren(
      ...all.map((each, index) => {
        const item = make("li");
        const button = make("button", { type: "button" }, points(each.iou));
        button.setAttribute("aria-label", `Step ${index + 1}: IoU ${points(each.iou)}`);
        button.setAttribute("aria-current", index === state.step ? "step" : "false");
        button.style.setProperty("--height", `${(100 * each.iou) / data.unit}%`);
        button.addEventListener("click", () => go(index));
        item.append(button);
        return item;
      }),
    );
    const facts = [
      ["IoU", points(step.iou)],
      ["predicted", points(step.predicted)],
      ["candidates", step.ious.length > 1 ? step.ious.map(points).join(", ") : null],
      ...Object.entries(step.further),
      ["category", picture(state.mask).category],
      ["mask", step.outline === null ? "not kept by the run" : step.outline === "" ? "nothing predicted here" : null],
    ];
    find("mask-facts").replaceChildren(
      ...facts
        .filter(([, value]) => value)
        .map(([key, value]) => {
          const line = make("div");
          line.append(make("dt", {}, key), make("dd", {}, value));
          return line;
        }),
    );
  };

  const go = (index) => {
    const last = steps(state.mask, state.run).length - 1;
    state.step = Math.max(0, Math.min(last, index));
    showStep();
  };

  const open = (mask) => {
    state.mask = mask;
    state.run = view().run;
    state.step = steps(mask, state.run).indexOf(shown(mask));
    find("mask-title").textContent = name(mask);
    const runs = new Map(
      dataset()
        .views.filter((each) => steps(mask, each.run).length > 0)
        .map((each) => [each.run, `${each.series}, ${each.prompt}`]),
    );
    const select = find("mask-run");
    select.replaceChildren(...[...runs].map(([value, text]) => make("option", { value }, text)));
    select.value = state.run;
    select.parentElement.hidden = runs.size < 2;
    showStep();
    dialog.showModal();
  };

  find("mask-run").addEventListener("change", (event) => {
    state.run = event.target.value;
    go(state.step);
  });
  find("mask-back").addEventListener("click", () => go(state.step - 1));
  find("mask-on").addEventListener("click", () => go(state.step + 1));
  find("mask-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (move && event.target.localName !== "select") {
      go(state.step + move);
      event.preventDefault();
    }
  });
  dialog.querySelectorAll("[data-layer]").forEach((box) => {
    box.addEventListener("change", () => {
      dialog.classList.toggle(`without-${box.dataset.layer}`, !box.checked);
    });
  });

  const titles = data.datasets.map((each) => each.title);
  const select = find("masks-dataset");
  select.replaceChildren(...titles.map((title, index) => make("option", { value: index }, title)));
  select.parentElement.hidden = titles.length < 2;
  select.addEventListener("change", () => {
    state.dataset = Number(select.value);
    choose();
  });
  for (const kind of ["series", "label"]) {
    find(`masks-${kind}`).addEventListener("change", (event) => {
      state[kind] = event.target.value;
      choose();
    });
  }
  section.hidden = false;
  choose();
}
