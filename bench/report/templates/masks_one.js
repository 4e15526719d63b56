"use strict";
// One mask: its picture under one, two or three runs, in one crop and at one step; and the router,
// which shows what the address names.
{
  const { data } = Masks;
  const dialog = document.getElementById("mask");
  const find = (id) => document.getElementById(`mask-${id}`);
  const state = { dataset: 0, mask: 0, runs: [], step: 1, candidate: null, faults: [], zoom: 1, x: 0, y: 0 };

  // ------------------------------------------------------------------ what is known of the mask

  const picture = () => Masks.picture(state.dataset, state.mask);
  const views = (run) => Masks.ofRun.get(run).filter((view) => (view.iou ?? [])[state.mask] != null);
  const record = (run) => ({ view: views(run).findLast((view) => view.step <= state.step) ?? views(run)[0], mask: state.mask });
  const imageId = () => data.datasets[state.dataset].images[data.datasets[state.dataset].image[state.mask]];
  const maskId = () => data.datasets[state.dataset].mask[state.mask];
  /** The steps of a run: all of them where the page has the picture, else those that are reported. */
  const steps = (run) => {
    const drawn = picture()?.runs[run];
    if (drawn) return drawn;
    const known = new Map();
    for (const view of views(run)) {
      const each = { view, mask: state.mask };
      known.set(Masks.step(each), { step: Masks.step(each), iou: Masks.iou(each), predicted: Masks.predicted(each) });
    }
    return [...known.values()].sort((a, b) => a.step - b.step);
  };
  const at = (run) => steps(run).findLast((each) => each.step <= state.step) ?? steps(run)[0];
  const numbers = () => [...new Set(state.runs.flatMap((run) => steps(run).map((each) => each.step)))].sort((a, b) => a - b);
  /** The step that is shown: the last one of any run up to that of the address. */
  const current = () => numbers().findLast((each) => each <= state.step) ?? numbers()[0];
  const titled = (run) => `${data.runs[run].series}, ${data.runs[run].prompt}`;
  const having = () =>
    Object.keys(data.runs).filter((run) => data.runs[run].dataset === state.dataset && Masks.has(run, state.mask));
  /** The picture of the gallery, where the page has no other one of this row. */
  const inGallery = (run) => {
    const { step } = at(run);
    const links = [...document.querySelectorAll("#gallery .tile a")];
    const own = links.find((link) => {
      const named = Masks.parsed(link.hash);
      return named?.dataset === state.dataset && named.mask === state.mask && named.runs[0] === run && named.step === step;
    });
    return own?.querySelector("img") ?? null;
  };

  // ------------------------------------------------------------------ zoom

  const viewed = () => {
    const { width, height } = picture();
    const [w, h] = [width / state.zoom, height / state.zoom];
    state.x = Math.max(0, Math.min(width - w, state.x));
    state.y = Math.max(0, Math.min(height - h, state.y));
    return [state.x, state.y, w, h];
  };
  const showZoom = () => {
    find("zoom").textContent = `${Math.round(100 * state.zoom)} %`;
    find("out").disabled = find("whole").disabled = state.zoom <= 1;
    find("in").disabled = !picture() || state.zoom >= 16;
    if (!picture()) return;
    const box = viewed().map((each) => each.toFixed(2)).join(" ");
    dialog.querySelectorAll(".pane svg").forEach((svg) => {
      svg.setAttribute("viewBox", box);
      svg.querySelectorAll(".click").forEach((click) => {
        const place = click.getAttribute("transform").split(" scale")[0];
        click.setAttribute("transform", `${place} scale(${1 / state.zoom})`);
      });
    });
  };
  /** Zooms by a factor, so that a place of the picture, shares of what is seen, stays where it is. */
  const zoom = (factor, across = 0.5, down = 0.5) => {
    if (!picture()) return;
    const [x, y, w, h] = viewed();
    const next = Math.max(1, Math.min(16, state.zoom * factor));
    const change = 1 - state.zoom / next;
    [state.x, state.y, state.zoom] = [x + across * w * change, y + down * h * change, next];
    showZoom();
  };
  const whole = () => {
    [state.zoom, state.x, state.y] = [1, 0, 0];
    showZoom();
  };
  const movable = (svg) => {
    let from = null;
    svg.addEventListener("wheel", (event) => {
      const box = svg.getBoundingClientRect();
      zoom(event.deltaY < 0 ? 1.25 : 0.8, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
      event.preventDefault();
    }, { passive: false });
    svg.addEventListener("pointerdown", (event) => {
      from = [event.clientX, event.clientY];
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => {
      if (from === null) return;
      const box = svg.getBoundingClientRect();
      const [, , w, h] = viewed();
      state.x -= ((event.clientX - from[0]) * w) / box.width;
      state.y -= ((event.clientY - from[1]) * h) / box.height;
      from = [event.clientX, event.clientY];
      showZoom();
    });
    for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, () => {
      from = null;
    });
  };

  // ------------------------------------------------------------------ panes

  const asked = (step) => {
    if (!step.points) return "";
    const said = [
      step.boxes.length ? "box" : null,
      step.lines.length ? counted(step.lines.length, "line") : null,
      step.points.length ? counted(step.points.length, "click") : null,
      ...step.words.map((words) => `“${words}”`),
    ];
    return said.filter(Boolean).join(" and ") || "no prompt";
  };
  const stepTitle = (step, last) => `Step ${step.step} of ${last}${asked(step) && `: ${asked(step)}`}`;
  /** Which of a run's steps is shown, and whether it is another than that of the others. */
  const shownStep = (run) => {
    const step = at(run);
    const last = steps(run).at(-1).step;
    if (step.step === current()) return stepTitle(step, last);
    const which = step.step === last ? "its last" : "the nearest one";
    return `${stepTitle(step, last)}. There is no step ${current()} of this run here; this is ${which}.`;
  };
  const listed = (facts) =>
    facts
      .filter(([, value]) => value !== null && value !== "")
      .map(([key, value]) => {
        const line = make("div");
        line.append(make("dt", {}, key), make("dd", {}, value));
        return line;
      });
  const shownCandidates = (step) => {
    if (!step.ious || step.ious.length < 2) return null;
    return step.ious
      .map((iou, place) => {
        const estimate = step.predictions[place] ?? null;
        const said = estimate === null ? "" : ` (predicted ${Masks.points(estimate)})`;
        return `${Masks.points(iou)}${said}${place === step.selected ? " chosen" : ""}`;
      })
      .join("; ");
  };
  const kept = (step) => {
    if (step.outline === undefined) return null;
    if (step.outline === null) return "not kept by the run";
    if (step.outline === "") return "nothing predicted here";
    if (step.ious.length < 2 || step.outlines) return null;
    return "of the candidates the run keeps the chosen one alone, of the others their IoU; one into another results folder with runtime.keep_candidates=true keeps all";
  };
  /** A step as if the candidate at a place of its list were the chosen one. */
  const ofCandidate = (step, place) => ({
    ...step,
    iou: step.ious[place],
    predicted: step.predictions[place] ?? null,
    outline: step.outlines[place] ?? step.outline,
  });
  /** The place of the candidate that is drawn of a step: the one asked for where there is one. */
  const drawnPlace = (step) => (step.outlines && state.candidate !== null && state.candidate <= step.outlines.length
    ? state.candidate - 1 : step.selected);
  const drawnStep = (step) => (step.outlines ? ofCandidate(step, drawnPlace(step)) : step);
  const another = (step) => Boolean(step.outlines) && drawnPlace(step) !== step.selected;
  const cut = (step) => (step.beyond?.includes(drawnPlace(step) ?? 0) ? "the prediction goes on beyond its edge" : null);
  const facts = (run) => {
    const step = at(run);
    const drawn = drawnStep(step);
    const each = record(run);
    const own = [
      ["IoU", Masks.points(drawn.iou)],
      ["predicted", drawn.predicted === null ? null : Masks.points(drawn.predicted)],
      ["picture", cut(step)],
    ];
    if (another(step)) return [...own, ["mask", drawn.outline === "" ? "nothing predicted here" : null]];
    const reported = Masks.step(each) === step.step;
    return [
      ...own,
      ["reason", reported && Masks.reason(each) ? Masks.reason(each).title : null],
      ["candidates", step.outlines ? null : shownCandidates(step)],
      ...Object.entries(step.further ?? {}),
      ["mask", kept(step)],
    ];
  };
  /**
   * Draws a candidate large in all panes, by its place; each pane's chosen one if that is drawn
   * already, or chosen everywhere.
   */
  const drawCandidate = (place) => {
    const kept = state.runs.map(at).filter((step) => step.outlines);
    if (!kept.some((step) => place < step.outlines.length)) return;
    const chosen = state.candidate === place + 1 || kept.every((step) => step.selected === place);
    go({ candidate: chosen ? null : place + 1 });
  };
  /** Why a run's pane draws another candidate than the one that is asked for; null where it doesn't. */
  const undrawn = (run) => {
    const step = at(run);
    if (state.candidate === null || !step.points || drawnPlace(step) === state.candidate - 1) return null;
    const known = state.candidate <= step.ious.length;
    const why = known
      ? `Candidate ${state.candidate} of ${titled(run)} is not kept by its run`
      : `There is no candidate ${state.candidate} of ${titled(run)} here, of ${step.ious.length}`;
    return `${why}; the chosen one is drawn.`;
  };
  /** All candidates of a step, each drawn, where the run keeps them: choosing one draws it large. */
  const candidates = (step, run) => {
    const group = make("div", { class: "candidates", role: "group", "aria-label": `Candidates, ${titled(run)}` });
    step.outlines.forEach((_, place) => {
      const own = ofCandidate(step, place);
      const chosen = place === step.selected;
      const said = `${place + 1} of ${step.outlines.length}: IoU ${Masks.points(own.iou)}`;
      const more = [own.predicted === null ? null : `predicted ${Masks.points(own.predicted)}`, chosen ? "chosen" : null];
      const button = make("button", { type: "button", "aria-pressed": String(place === drawnPlace(step)) });
      button.append(drawMask(picture(), own, "Candidate"), make("span", {}, [said, ...more.filter(Boolean)].join(", ")));
      button.addEventListener("click", () => drawCandidate(place));
      group.append(button);
    });
    return group;
  };
  const pane = (run, place) => {
    const step = at(run);
    const figure = make("figure", { class: "pane" });
    const head = make("div", { class: "run" });
    const select = make("select", { "aria-label": `run ${place + 1}` });
    for (const each of having()) select.append(make("option", { value: each }, titled(each)));
    select.value = run;
    select.addEventListener("change", () => go({ runs: state.runs.map((each, i) => (i === place ? select.value : each)) }));
    head.append(select);
    if (state.runs.length > 1) {
      const leave = make("button", { type: "button", "aria-label": `Leave out ${titled(run)}` }, "×");
      leave.addEventListener("click", () => go({ runs: state.runs.filter((_, i) => i !== place) }));
      head.append(leave);
    }
    const seen = make("div", { class: "seen" });
    seen.append(head);
    if (state.runs.length > 1) seen.append(make("p", { class: "at" }, shownStep(run)));
    const drawn = drawnStep(step);
    if (another(step)) {
      const which = `Candidate ${drawnPlace(step) + 1} of ${step.outlines.length}, which was not chosen: IoU ${Masks.points(drawn.iou)}.`;
      seen.append(make("p", { class: "at other" }, which));
    }
    const said = step.points ? `After ${asked(step)}: ` : "";
    const which = another(step) ? `candidate ${drawnPlace(step) + 1}, which was not chosen: ` : "";
    const alt = `${titled(run)}. ${said}${which}IoU ${Masks.points(drawn.iou)}`;
    if (step.points) {
      const svg = drawMask(picture(), drawn, alt);
      movable(svg);
      seen.append(svg);
    } else {
      const image = inGallery(run);
      if (image) seen.append(make("img", { src: image.src, alt: image.alt }));
      seen.append(make("p", { class: "note" }, image ? "The gallery's picture; the page has no other one of this mask." : "This page has no picture of this mask."));
    }
    const curve = make("ol", { class: "curve" });
    for (const each of steps(run)) {
      const item = make("li");
      const button = make("button", { type: "button" }, Masks.points(each.iou));
      button.setAttribute("aria-label", `Step ${each.step}: IoU ${Masks.points(each.iou)}`);
      button.setAttribute("aria-current", each.step === step.step ? "step" : "false");
      button.style.setProperty("--height", `${(100 * each.iou) / data.unit}%`);
      button.addEventListener("click", () => go({ step: each.step }));
      item.append(button);
      curve.append(item);
    }
    const list = make("dl");
    list.append(...listed(facts(run)));
    const aside = make("div", { class: "aside" });
    aside.append(curve, ...(step.outlines ? [candidates(step, run)] : []), list);
    figure.append(seen, aside);
    return figure;
  };

  // ------------------------------------------------------------------ the whole mask

  const address = (change = {}) => {
    const same = !("step" in change) || change.step === current();
    const { runs, step, candidate } = { runs: state.runs, step: current(), candidate: same ? state.candidate : null, ...change };
    return Masks.maskAddress(imageId(), maskId(), [...new Set(runs)], step, candidate);
  };
  /** Another step or other runs of the same mask: no further entry in the history. */
  const go = (change) => location.replace(address(change));
  const move = (by) => {
    const all = numbers();
    const here = all.findLastIndex((each) => each <= state.step);
    const next = all[Math.max(0, Math.min(all.length - 1, Math.max(0, here) + by))];
    if (next !== current()) go({ step: next });
  };
  const place = () =>
    Masks.found.findIndex((each) =>
      each.view.dataset === state.dataset && each.mask === state.mask && each.view.run === state.runs[0] && Masks.step(each) === state.step);
  /** Where the mask stands in the list, with that run whatever its step. */
  const nearest = () => {
    const exact = place();
    if (exact >= 0) return exact;
    return Masks.found.findIndex((each) =>
      each.view.dataset === state.dataset && each.mask === state.mask && each.view.run === state.runs[0]);
  };
  const turn = (by) => {
    const next = Masks.found[nearest() + by];
    if (!next) return;
    const others = state.runs.slice(1).map((run) => {
      const { series, prompt } = data.runs[run];
      return Object.keys(data.runs).find((each) =>
        data.runs[each].dataset === next.view.dataset && data.runs[each].series === series
        && data.runs[each].prompt === prompt && Masks.has(each, next.mask));
    });
    const runs = [...new Set([next.view.run, ...others.filter(Boolean)])];
    location.hash = Masks.maskAddress(Masks.imageId(next), Masks.maskId(next), runs, Masks.step(next));
  };
  const python = () => {
    const { name, results } = data.runs[state.runs[0]];
    const image = maskId().startsWith(`${imageId()}/`) ? "" : `, image=${JSON.stringify(imageId())}`;
    const where = results === null ? "" : `, results=${JSON.stringify(results)}`;
    const read = data.datasets_folder ? `, datasets=${JSON.stringify(data.datasets_folder)}` : "";
    const step = at(state.runs[0]);
    const wanted = step.points ? another(step) && drawnPlace(step) + 1 : state.candidate;
    const which = wanted ? `, candidate=${wanted}` : "";
    const said = `${JSON.stringify(name)}, ${JSON.stringify(maskId())}, step=${step.step}${which}`;
    return `import bench; bench.show_mask(${said}${image}${where}${read}).show()`;
  };

  /** What of the panes is focused: which pane's, of which kind, and which of them. */
  const focused = () => {
    const pane = [...find("panes").children].findIndex((each) => each.contains(document.activeElement));
    const places = ["select", ".run button", ".curve button", ".candidates button"].map((kind) => ({
      pane, kind, place: [...(find("panes").children[pane]?.querySelectorAll(kind) ?? [])].indexOf(document.activeElement),
    }));
    return places.find(({ place }) => place >= 0) ?? null;
  };
  /** Focuses its like in the new panes, or the whole where there is none: keys go on to be heard. */
  const focusAgain = (before) => {
    if (before) find("panes").children[before.pane]?.querySelectorAll(before.kind)[before.place]?.focus();
    const { activeElement } = document;
    if (dialog.open && (activeElement === document.body || activeElement.disabled)) dialog.focus();
  };

  const show = () => {
    const before = focused();
    find("title").textContent = Masks.named(imageId(), maskId());
    find("panes").replaceChildren(...state.runs.map(pane));
    find("panes").style.setProperty("--panes", state.runs.length);
    const all = numbers();
    const here = all.findLastIndex((each) => each <= state.step);
    const step = current();
    find("step").textContent = state.runs.length > 1 ? `Step ${step} of ${all.at(-1)}` : stepTitle(at(state.runs[0]), all.at(-1));
    const other = step === state.step ? [] : [`There is no step ${state.step} here; step ${step}${step === all.at(-1) ? ", the last," : ""} is shown.`];
    find("faults").textContent = [...state.faults, ...other, ...state.runs.map(undrawn).filter(Boolean)].join(" ");
    find("back").disabled = here <= 0;
    find("on").disabled = here === all.length - 1;
    const index = nearest();
    find("place").textContent = index < 0 ? "" : `${(index + 1).toLocaleString("en")} of ${Masks.found.length.toLocaleString("en")}`;
    find("previous").disabled = index <= 0;
    find("next").disabled = index < 0 || index === Masks.found.length - 1;
    const free = having().filter((run) => !state.runs.includes(run));
    const add = find("add");
    add.replaceChildren(make("option", { value: "" }, "a further run"), ...free.map((run) => make("option", { value: run }, titled(run))));
    add.parentElement.hidden = free.length === 0 || state.runs.length === Masks.MOST_RUNS;
    const each = record(state.runs[0]);
    find("facts").replaceChildren(...listed([
      ["dataset", data.datasets[state.dataset].title],
      ["image", imageId()],
      ["category", Masks.category(each) === null ? null : Masks.categoryTitle(Masks.category(each))],
      ["area", `${Masks.area(each).toLocaleString("en")} pixels, ${Masks.size(each)}`],
    ]));
    find("python").textContent = python();
    find("copied").textContent = "";
    showZoom();
    focusAgain(before);
  };

  const copy = (text, what) => {
    const done = () => {
      find("copied").textContent = `${what} copied`;
    };
    const failed = () => {
      find("copied").textContent = "The browser lets no page copy; mark the text and copy it.";
    };
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, failed);
    else failed();
  };
  find("copy-id").addEventListener("click", () => copy(maskId(), "Id"));
  find("copy-link").addEventListener("click", () => copy(location.href, "Address"));
  find("copy-python").addEventListener("click", () => copy(python(), "Python"));
  find("add").addEventListener("change", (event) => go({ runs: [...state.runs, event.target.value] }));
  find("back").addEventListener("click", () => move(-1));
  find("on").addEventListener("click", () => move(1));
  find("previous").addEventListener("click", () => turn(-1));
  find("next").addEventListener("click", () => turn(1));
  find("in").addEventListener("click", () => zoom(1.5));
  find("out").addEventListener("click", () => zoom(1 / 1.5));
  find("whole").addEventListener("click", whole);

  const close = () => {
    location.hash = Masks.listAddress(Masks.filters);
  };
  find("close").addEventListener("click", close);
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    close();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) close();
  });
  const layers = [...dialog.querySelectorAll("[data-layer]")];
  const showLayers = () => {
    for (const box of layers) dialog.classList.toggle(`without-${box.dataset.layer}`, !box.checked);
  };
  const toggle = (name) => {
    const box = layers.find((each) => each.dataset.layer === name);
    box.checked = !box.checked;
    showLayers();
  };
  layers.forEach((box) => box.addEventListener("change", showLayers));
  const KEYS = {
    ArrowLeft: () => move(-1), ArrowRight: () => move(1), ArrowUp: () => turn(-1), ArrowDown: () => turn(1),
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: whole,
    ...Object.fromEntries([1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => [n, () => drawCandidate(n - 1)])),
    t: () => toggle("target"), p: () => toggle("prediction"), c: () => toggle("prompt"),
  };
  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.localName === "select") return;
    const act = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
    if (!act) return;
    act();
    event.preventDefault();
  });

  // ------------------------------------------------------------------ the router

  const open = (named) => {
    const other = named.dataset !== state.dataset || named.mask !== state.mask;
    Object.assign(state, named, { step: state.step });
    if (other || !dialog.open) [state.zoom, state.x, state.y] = [1, 0, 0];
    state.step = named.step ?? Masks.step({ view: views(named.runs[0]).at(-1), mask: named.mask });
    if (nearest() < 0) {
      const { view } = record(named.runs[0]);
      const filters = { dataset: data.datasets[view.dataset].title, prompt: view.label, model: view.series };
      MaskList.plan(Masks.filters.beside ? { ...filters, beside: Masks.filters.beside } : filters);
    }
    show();
    Masks.fetched(state.dataset, state.mask, () => {
      if (dialog.open) show();
    });
    if (!dialog.open) dialog.showModal();
  };
  const route = (first) => {
    const named = Masks.parsed(location.hash);
    if (named?.runs) {
      if (first) MaskList.choose(Masks.filters, Masks.faults);
      open(named);
      return;
    }
    dialog.close();
    const list = named?.filters ? named : Masks;
    MaskList.choose(list.filters, list.faults);
    if (named) MaskList.into();
    if (named && first) addEventListener("load", MaskList.into, { once: true }); // after the browser's own scrolling
    if (named?.lost) MaskList.say(named.lost);
  };
  addEventListener("hashchange", () => route(false));
  route(true);
}
