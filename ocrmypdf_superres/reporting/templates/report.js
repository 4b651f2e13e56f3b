// SPDX-License-Identifier: MPL-2.0
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const make = (tag, attributes = {}, text = "") => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.textContent = text;
    return element;
  };
  const names = JSON.parse(byId("names").textContent);
  const table = byId("table");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const openViewers = new Map();
  const MOST_OPEN = 6; // decoded images take memory, so the viewer that was opened first closes

  // Colours: as the system, then light or dark by the button.
  const theme = byId("theme");
  const themes = { "": "as the system", light: "light", dark: "dark" };
  const setTheme = (value) => {
    if (value) document.documentElement.dataset.theme = value;
    else delete document.documentElement.dataset.theme;
    theme.setAttribute("aria-label", "Colours: " + themes[value]);
    theme.title = "Colours: " + themes[value];
  };
  theme.addEventListener("click", () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const order = dark ? ["", "light", "dark"] : ["", "dark", "light"];
    const now = document.documentElement.dataset.theme || "";
    setTheme(order[(order.indexOf(now) + 1) % 3]);
  });
  setTheme("");

  // Sorting: a row's cells carry their values; unknown values stay at the end.
  const valueOf = (row, key, form) => {
    const cell = row.querySelector(`[data-${key}]`);
    const value = cell ? cell.dataset[key] : "";
    if (form === "t") return value.toLocaleLowerCase();
    return value === "" ? NaN : Number(value);
  };
  const collator = new Intl.Collator(undefined, { numeric: true });
  const sortBy = (head) => {
    const descending = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const { key, form } = head.dataset;
    const keyed = rows.map((row) => [valueOf(row, key, form), row]);
    keyed.sort(([a], [b]) => {
      if (form === "t") return (descending ? -1 : 1) * collator.compare(a, b);
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return descending ? b - a : a - b;
    });
    const sorted = document.createDocumentFragment();
    for (const [, row] of keyed) {
      sorted.append(row);
      if (openViewers.has(row)) sorted.append(openViewers.get(row).element);
    }
    body.append(sorted);
  };
  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("th");
    if (head && event.target.closest("button")) sortBy(head);
  });

  // Filtering.
  const haystack = new Map(rows.map((row) => [row, row.textContent.toLocaleLowerCase()]));
  const filter = () => {
    const wanted = byId("find").value.trim().toLocaleLowerCase().split(/\s+/);
    const group = byId("group").value;
    const verdict = byId("verdict").value;
    let shown = 0;
    for (const row of rows) {
      const fits =
        wanted.every((word) => haystack.get(row).includes(word)) &&
        (!group || row.querySelector("[data-group]").dataset.group === group) &&
        (!verdict || row.dataset.verdict === verdict);
      row.hidden = !fits;
      if (openViewers.has(row)) openViewers.get(row).element.hidden = !fits;
      shown += fits;
    }
    byId("count").textContent = `${shown} of ${rows.length} pages`;
  };
  byId("find").addEventListener("input", filter);
  byId("group").addEventListener("change", filter);
  byId("verdict").addEventListener("change", filter);
  filter();

  // The words of one side, as boxes over its image.
  const SVG = "http://www.w3.org/2000/svg";
  const wordBoxes = (words, width, height) => {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "words");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("preserveAspectRatio", "none");
    for (const [left, top, w, h, confidence, isMarked, text] of words) {
      const group = document.createElementNS(SVG, "g");
      group.setAttribute("class", isMarked ? "no" : "ok");
      const title = document.createElementNS(SVG, "title");
      title.textContent = `${text} (confidence ${confidence})`;
      const box = document.createElementNS(SVG, "rect");
      const place = { x: left - 2, y: top - 2, width: w + 4, height: h + 4, rx: 3 };
      for (const [name, value] of Object.entries(place)) box.setAttribute(name, value);
      const label = document.createElementNS(SVG, "text");
      label.textContent = text;
      label.dataset.inside = [left, top + h * 0.8, Math.max(8, h * 0.82), w].join(" ");
      label.dataset.above = [left, top - 5, Math.max(12, Math.min(22, h * 0.6)), 0].join(" ");
      group.append(title, box, label);
      svg.append(group);
    }
    return svg;
  };
  const setMode = (svg, mode) => {
    svg.dataset.mode = mode;
    for (const label of svg.querySelectorAll("text")) {
      const [x, y, size, width] = label.dataset[mode === "all" ? "inside" : "above"].split(" ");
      label.setAttribute("x", x);
      label.setAttribute("y", y);
      label.setAttribute("font-size", size);
      if (mode === "all" && Number(width) > 0) {
        label.setAttribute("textLength", width);
        label.setAttribute("lengthAdjust", "spacingAndGlyphs");
      } else label.removeAttribute("textLength");
    }
  };

  const layer = (number, side, data, name) => {
    const element = make("div", { class: `layer ${side}` });
    const image = make("img", { alt: `The page, ${name}`, draggable: "false", decoding: "async" });
    image.src = "data:image/webp;base64," + byId((side === "before" ? "b" : "a") + number).textContent;
    const words = wordBoxes(side === "before" ? data.b : data.a, data.w, data.h);
    element.append(image, words);
    return { element, words };
  };

  const build = (row) => {
    const number = row.id.slice(1);
    if (!byId("a" + number)) return null; // the file is still being read
    const data = JSON.parse(byId("w" + number).textContent);
    const pageName = row.querySelector(".open").textContent;
    const element = make("tr", { class: "viewer", id: "v" + number });
    const cell = make("td", { colspan: String(table.tHead.rows[0].cells.length) });
    const bar = make("div", { class: "bar" });
    const slide = make("div", { class: "slide" });
    const range = make("input", { type: "range", min: "0", max: "100", value: "50", "aria-label": `${pageName}: from before to after` });
    slide.append(make("span", { class: "old" }, names.before), range, make("span", { class: "new" }, names.after));
    const mode = make("select", { "aria-label": "Words over the page" });
    const marks = names.truth ? "mark wrong words" : "mark doubtful words";
    for (const [value, text] of [["marks", marks], ["all", "show all words"], ["none", "no words"]]) {
      mode.append(make("option", { value }, text));
    }
    const fit = make("button", { type: "button", "aria-pressed": "false" }, "Fit");
    const previous = make("button", { type: "button", "aria-label": "Previous marked word" }, "‹");
    const next = make("button", { type: "button", "aria-label": "Next marked word" }, "›");
    const close = make("button", { type: "button", "aria-label": "Close the page" }, "×");
    bar.append(slide, mode, fit, previous, next, close);
    const view = make("div", { class: "view", tabindex: "0", role: "group", "aria-label": `${pageName}, before and after` });
    const stage = make("div", { class: "stage" });
    stage.style.setProperty("--ratio", `${data.w} / ${data.h}`);
    const before = layer(number, "before", data, names.before);
    const after = layer(number, "after", data, names.after);
    const divider = make("div", { class: "divider", "aria-hidden": "true" });
    const handle = make("span", {}, "⇔");
    divider.append(handle);
    stage.append(before.element, after.element, divider);
    view.append(stage);
    const count = (words) => words.filter((word) => word[5]).length;
    const what = names.truth ? "wrong" : "doubtful";
    const facts = make("p", { class: "facts" },
      `${names.before}: ${data.b.length} words, ${count(data.b)} ${what}. ${names.after}: ${data.a.length} words, ${count(data.a)} ${what}.` +
      (data.cut ? " Only the part of the page with the most marked words is kept here." : ""));
    cell.append(bar, view, facts);
    element.append(cell);

    let zoom = 1;
    const split = () => {
      const x = view.scrollLeft + (Number(range.value) / 100) * view.clientWidth;
      after.element.style.clipPath = `inset(0 0 0 ${Math.min(x, data.w * zoom)}px)`;
      divider.style.left = `${Math.min(x, data.w * zoom)}px`;
    };
    const resize = () => {
      zoom = fit.getAttribute("aria-pressed") === "true" ? view.clientWidth / data.w : 1;
      stage.style.width = `${data.w * zoom}px`;
      stage.style.height = `${data.h * zoom}px`;
      split();
    };
    const setModes = () => [before, after].forEach((side) => setMode(side.words, mode.value));
    let current = -1;
    const step = (by) => {
      // The side that fills more of the window has its words visited.
      const side = Number(range.value) > 50 ? before : after;
      const marked = side.words.querySelectorAll(".no");
      for (const old of stage.querySelectorAll(".here")) old.classList.remove("here");
      if (!marked.length) return;
      current = (((current + by) % marked.length) + marked.length) % marked.length;
      const group = marked[current];
      group.classList.add("here");
      const box = group.querySelector("rect");
      view.scrollTo({
        left: Number(box.getAttribute("x")) * zoom - view.clientWidth / 2,
        top: Number(box.getAttribute("y")) * zoom - view.clientHeight / 2,
      });
    };
    range.addEventListener("input", split);
    view.addEventListener("scroll", split, { passive: true });
    mode.addEventListener("change", setModes);
    fit.addEventListener("click", () => {
      fit.setAttribute("aria-pressed", String(fit.getAttribute("aria-pressed") !== "true"));
      resize();
    });
    next.addEventListener("click", () => step(1));
    previous.addEventListener("click", () => step(-1));
    close.addEventListener("click", () => toggle(row));
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const box = view.getBoundingClientRect();
      range.value = String(Math.round((100 * (event.clientX - box.left)) / view.clientWidth));
      split();
    });
    element.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const inList = event.target === mode;
      const slideBy = { ArrowLeft: -2, ArrowRight: 2, Home: -100, End: 100 }[event.key];
      if (event.target === view && slideBy) {
        range.value = String(Number(range.value) + slideBy);
        split();
      } else if (event.key === "Escape") toggle(row);
      else if (inList) return;
      else if (event.key === "n") step(1);
      else if (event.key === "p") step(-1);
      else if (event.key === "f") fit.click();
      else if (event.key === "w") {
        mode.selectedIndex = (mode.selectedIndex + 1) % mode.length;
        setModes();
      } else return;
      event.preventDefault();
    });
    setModes();
    const watcher = new ResizeObserver(resize);
    watcher.observe(view);
    return { element, view, resize, watcher };
  };

  const toggle = (row) => {
    const opener = row.querySelector(".open");
    const known = openViewers.get(row);
    if (known) {
      known.watcher.disconnect();
      known.element.remove();
      openViewers.delete(row);
      opener.setAttribute("aria-expanded", "false");
      opener.focus();
      return;
    }
    const viewer = build(row);
    if (!viewer) return;
    if (openViewers.size >= MOST_OPEN) toggle(openViewers.keys().next().value);
    row.after(viewer.element);
    openViewers.set(row, viewer);
    opener.setAttribute("aria-expanded", "true");
    viewer.resize();
    viewer.view.focus({ preventScroll: true });
    row.scrollIntoView({ block: "start" });
  };
  body.addEventListener("click", (event) => {
    const opener = event.target.closest(".open");
    if (opener) toggle(opener.closest("tr"));
  });
  // A link to #p7 opens that page, once the images, which follow this script, have been read.
  addEventListener("DOMContentLoaded", () => {
    const linked = location.hash.length > 1 ? byId(location.hash.slice(1)) : null;
    if (linked && rows.includes(linked) && linked.querySelector(".open")) toggle(linked);
  });
})();
