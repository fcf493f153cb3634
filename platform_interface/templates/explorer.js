/* Sliders and pictures of an explorer. What they mean is the plugin's: its script calls Explorer.start. Asks nothing of any server. */
const Explorer = (() => {
  "use strict";
  const root = document.documentElement, find = (selector, from = document) => from.querySelector(selector), all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const read = (id) => JSON.parse(find(id).textContent);
  const content = read("#content"), dark = matchMedia("(prefers-color-scheme: dark)"), isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const remembered = (theme) => { try { return theme ? localStorage.setItem("twin-theme", theme) : localStorage.getItem("twin-theme"); } catch { return null; } };
  if (["light", "dark"].includes(remembered())) root.dataset.theme = remembered();
  const themeButton = find("#theme"), nameTheme = () => { themeButton.textContent = isDark() ? "☀ Light" : "☾ Dark"; themeButton.setAttribute("aria-label", isDark() ? "Switch to light colours" : "Switch to dark colours"); };
  themeButton.hidden = false;
  nameTheme();
  themeButton.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; remembered(root.dataset.theme); nameTheme(); picture(); });
  dark.addEventListener("change", () => { nameTheme(); picture(); });

  const raw = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
  const networks = new Map();
  const network = (name) => { if (!networks.has(name)) { const graph = read("#networks")[name]; networks.set(name, graph ? Onnx.load(graph) : null); } return networks.get(name); };
  const sliders = all("input[type=range]"), choices = all("[data-choice]");
  const valueOf = (group) => find("[aria-checked=true]", group)?.dataset.value;
  const values = () => ({ ...Object.fromEntries(sliders.map((each) => [each.name, Number(each.value)])), ...Object.fromEntries(choices.map((group) => [group.dataset.choice, valueOf(group)])) });
  const say = (value) => String(value).replace("-", "−");
  let compute = null, view = null, waiting = 0;

  function name() {
    for (const slider of sliders) { const text = `${say(slider.value)} ${slider.dataset.unit}`.trim(); find(`output[for=${slider.id}]`).textContent = text; slider.setAttribute("aria-valuetext", text); }
  }
  function draw() {
    cancelAnimationFrame(waiting);
    waiting = 0;
    const begun = performance.now();
    name();
    view = compute(values());
    picture();
    root.dataset.took = (performance.now() - begun).toFixed(1);
    root.dataset.drawn = String(Number(root.dataset.drawn || 0) + 1);
  }
  const soon = () => { name(); if (!waiting) waiting = requestAnimationFrame(draw); };
  function picture() {
    if (!view) return;
    for (const [id, text] of Object.entries(view.texts)) { const place = find(`#${id}`); place.textContent = text.text; place.parentElement.dataset.kind = text.kind; }
    for (const [id, drawing] of Object.entries(view.panels)) {
      const panel = find(`#${id}`), canvas = find("canvas", panel);
      Draw[drawing.kind](canvas, drawing);
      canvas.setAttribute("aria-label", drawing.label);
      if (drawing.error !== undefined) find(".error", panel).textContent = drawing.error;
      panel.classList.toggle("outside", Boolean(drawing.outside));
    }
    find("#nearest").disabled = !view.nearest;
  }
  for (const slider of sliders) slider.addEventListener("input", soon);
  for (const group of choices) {
    const options = all("[role=radio]", group);
    const choose = (option) => { for (const each of options) { each.setAttribute("aria-checked", String(each === option)); each.tabIndex = each === option ? 0 : -1; } soon(); };
    options.forEach((option, i) => {
      option.addEventListener("click", () => choose(option));
      option.addEventListener("keydown", (event) => {
        const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key], turn = event.key === " " && options.length === 2 && option.getAttribute("aria-checked") === "true";
        if (!by && !turn) return;
        event.preventDefault();
        const next = options[(i + (by || 1) + options.length) % options.length];
        choose(next);
        next.focus();
      });
    });
  }
  find("#nearest").addEventListener("click", () => {
    if (!view?.nearest) return;
    for (const slider of sliders) if (slider.name in view.nearest) slider.value = view.nearest[slider.name];
    soon();
  });
  addEventListener("error", () => { root.dataset.failed = "yes"; });
  return {
    u16: (text) => new Uint16Array(raw(text)),
    network,
    get view() { return view; },
    start(make) {
      compute = make(content);
      draw();
      new ResizeObserver(() => picture()).observe(find("main"));
      root.dataset.ready = "yes";
    },
  };
})();
