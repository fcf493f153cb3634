/* Draws the panels of a page, links them, and shows times as the site's clock does. Asks nothing of any server. */
(() => {
  "use strict";
  const root = document.documentElement;
  const find = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);

  // --- theme: as the system has it, until the button says otherwise
  const remembered = (theme) => { try { return theme ? localStorage.setItem("twin-theme", theme) : localStorage.getItem("twin-theme"); } catch { return null; } };
  if (["light", "dark"].includes(remembered())) root.dataset.theme = remembered();
  const themeButton = find("#theme");
  const nameTheme = () => { themeButton.textContent = isDark() ? "☀ Light" : "☾ Dark"; themeButton.setAttribute("aria-label", isDark() ? "Switch to light colours" : "Switch to dark colours"); };
  themeButton.hidden = false;
  nameTheme();
  themeButton.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; remembered(root.dataset.theme); nameTheme(); redraw(); });
  dark.addEventListener("change", () => { nameTheme(); redraw(); });

  // --- index: a filter over the rows
  const search = find("#search");
  if (search) {
    search.closest(".finder").hidden = false;
    search.addEventListener("input", () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of all("#fleet tbody tr")) {
        row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
        shown += row.hidden ? 0 : 1;
      }
      find("#found").textContent = words.length ? `${shown} found` : "";
    });
  }

  const source = find("#figure");
  if (!source) { root.dataset.ready = "yes"; return; }
  const figure = JSON.parse(source.textContent);

  // --- the site's clock
  const offsetAt = (t) => { let found = figure.clock[0]; for (const change of figure.clock) if (change[0] <= t) found = change; return found; };
  const two = (n) => String(n).padStart(2, "0");
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const wall = (t) => new Date(t + offsetAt(t)[1]);
  const fromWall = (w) => { let t = w - offsetAt(w)[1]; t = w - offsetAt(t)[1]; return t; };
  const clock = (t, seconds) => { const d = wall(t); return `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())} ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}${seconds ? ":" + two(d.getUTCSeconds()) : ""} ${offsetAt(t)[2]}`; };
  const S = 1000, M = 60 * S, H = 60 * M, D = 24 * H;
  const STEPS = [S, 5 * S, 15 * S, 30 * S, M, 5 * M, 10 * M, 30 * M, H, 2 * H, 3 * H, 6 * H, 12 * H, D, 2 * D, 4 * D, 7 * D, 14 * D];
  const MONTHS = [1, 2, 3, 6, 12, 24, 60, 120];

  function ticks(from, to, width) {
    const most = Math.max(3, Math.floor(width / 66));
    const step = STEPS.find((s) => (to - from) / s < most + 1);
    const walls = [];
    if (step) {
      const first = Math.floor((from + offsetAt(from)[1]) / step) * step;
      for (let w = first; w <= to + offsetAt(to)[1] + step; w += step) walls.push(w);
    } else {
      const each = MONTHS.find((m) => (to - from) / (m * 30.44 * D) <= most) || 240;
      const d = wall(from);
      for (let k = Math.floor((d.getUTCFullYear() * 12 + d.getUTCMonth()) / each) * each; ; k += each) {
        const w = Date.UTC(Math.floor(k / 12), k % 12, 1);
        if (w - offsetAt(to)[1] > to) break;
        walls.push(w);
      }
    }
    const values = [], texts = [];
    let day = "", year = "";
    for (const w of walls) {
      const t = fromWall(w);
      if (t < from || t > to || values[values.length - 1] === t) continue;
      const d = wall(t);
      const date = `${d.getUTCDate()} ${months[d.getUTCMonth()]}`;
      const years = String(d.getUTCFullYear());
      let text = step && step < D ? `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}${step < M ? ":" + two(d.getUTCSeconds()) : ""}` : step ? date : months[d.getUTCMonth()];
      const below = [];
      if (step && step < D && date !== day) below.push(date);
      if (years !== year) below.push(years);
      if (!step && MONTHS.find((m) => m >= 12 && (to - from) / (m * 30.44 * D) <= most) && d.getUTCMonth() === 0 && !MONTHS.slice(0, 4).some((m) => (to - from) / (m * 30.44 * D) <= most)) { text = years; below.length = 0; }
      day = date; year = years;
      values.push(t);
      texts.push(below.length ? `${text}<br>${below.join(" ")}` : text);
    }
    return { values, texts };
  }

  // --- data
  const bytes = (text) => { const raw = atob(text), found = new Uint8Array(raw.length); for (let i = 0; i < raw.length; i++) found[i] = raw.charCodeAt(i); return found.buffer; };
  const decoded = (line) => { const ticksOf = new Uint32Array(bytes(line.x)); line.x = Float64Array.from(ticksOf, (n) => figure.start + n * figure.tick); line.y = new Float32Array(bytes(line.y)); return line; };
  for (const panel of figure.panels) {
    panel.lines.forEach(decoded);
    if (panel.band) { decoded(panel.band.low); decoded(panel.band.high); }
    if (panel.heat) { // one column of numbers a time -> one row a number
      const heat = decoded(panel.heat), k = heat.numbers.length;
      heat.z = heat.numbers.map((_, row) => Float32Array.from(heat.x, (_, column) => heat.y[column * k + row]));
    }
  }
  const coarse = matchMedia("(pointer: coarse)").matches;
  const MARGIN = { l: innerWidth < 640 ? 52 : 62, r: 14, t: 8, b: 40 };
  const view = { from: figure.start, to: figure.end };
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const style = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const number = (v) => { const a = Math.abs(v); return a >= 1e6 || (a < 1e-3 && a > 0) ? v.toExponential(3) : String(Number(v.toPrecision(5))); };

  const firstAfter = (x, t) => { let low = 0, high = x.length; while (low < high) { const mid = (low + high) >> 1; if (x[mid] <= t) low = mid + 1; else high = mid; } return low; };

  const COLD_TO_WARM = [[0, "#00224e"], [0.2, "#2c3e6e"], [0.4, "#5d6170"], [0.6, "#8a8678"], [0.8, "#c0ad6b"], [1, "#fee838"]];
  function limits(panel) {
    if (panel.heat) return [panel.heat.numbers[0] - 0.5, panel.heat.numbers[panel.heat.numbers.length - 1] + 0.5];
    if (panel.codes) {
      const keys = Object.keys(panel.codes).map(Number);
      const room = (Math.max(...keys) - Math.min(...keys) || 1) * 0.28;
      return [Math.min(...keys) - room / 2, Math.max(...keys) + room];
    }
    let low = Infinity, high = -Infinity;
    const shown = panel.lines.filter((line) => !line.off).concat(panel.band ? [panel.band.low, panel.band.high] : []);
    for (const line of shown) {
      const a = Math.max(0, firstAfter(line.x, view.from) - 1), b = Math.min(line.x.length, firstAfter(line.x, view.to) + 1);
      for (let i = a; i < b; i++) { const v = line.y[i]; if (v < low) low = v; if (v > high) high = v; }
    }
    if (low > high) return [0, 1];
    if (low === 0 && high === 0) return [-0.1, 1];
    const pad = (high - low) * 0.07 || Math.abs(high) * 0.05;
    return [low - pad, high + pad];
  }

  function polygon(band) {
    const parts = (line) => { const found = [[]]; for (let i = 0; i < line.x.length; i++) { if (Number.isNaN(line.y[i])) found.push([]); else found[found.length - 1].push([line.x[i], line.y[i]]); } return found; };
    const lows = parts(band.low), highs = parts(band.high), x = [], y = [];
    lows.forEach((part, i) => {
      if (!part.length || !highs[i]) return;
      if (x.length) { x.push(null); y.push(null); }
      for (const [t, v] of [...part, ...highs[i].reverse()]) { x.push(t); y.push(v); }
    });
    return { x, y };
  }

  function alone(line) {
    const x = [], y = [], n = line.x.length;
    for (let i = 0; i < n; i++) if (!Number.isNaN(line.y[i]) && (i === 0 || Number.isNaN(line.y[i - 1])) && (i === n - 1 || Number.isNaN(line.y[i + 1]))) { x.push(line.x[i]); y.push(line.y[i]); }
    return { x, y };
  }

  function traces(panel) {
    const found = [];
    if (panel.heat) return [{ type: "heatmap", x: panel.heat.x, y: panel.heat.numbers, z: panel.heat.z, zmin: panel.heat.low, zmax: panel.heat.high, colorscale: COLD_TO_WARM, showscale: false, hoverinfo: "skip", hoverongaps: false, zsmooth: false }];
    if (panel.band) found.push({ ...(panel.area ||= polygon(panel.band)), fill: "toself", fillcolor: style("--band"), line: { width: 0 }, mode: "lines", hoverinfo: "skip" });
    panel.lines.forEach((line) => {
      const colour = style(`--line-${line.colour % 6}`), visible = !line.off;
      const few = line.x.length <= 40;
      line.trace = found.length;
      found.push({ x: line.x, y: line.y, mode: line.shape === "none" ? "markers" : few ? "lines+markers" : "lines", line: { color: colour, width: panel.band && line.colour ? 1.3 : 1.7, dash: line.dash, shape: line.shape === "hv" ? "hv" : "linear" }, marker: { color: colour, size: 5, symbol: line.colour }, connectgaps: false, visible, hoverinfo: "skip" });
      const single = few || line.shape === "none" ? { x: [], y: [] } : (line.alone ||= alone(line));
      if (single.x.length) found.push({ ...single, mode: "markers", marker: { color: colour, size: 4, symbol: line.colour }, visible, hoverinfo: "skip" });
    });
    return found;
  }

  function shapes(panel) {
    const rect = (span, more) => ({ type: "rect", xref: "x", yref: "paper", x0: span.from, x1: span.to, y0: 0, y1: 1, layer: "below", fillcolor: style(`--${span.kind}`), line: { width: 0 }, ...more });
    return panel.spans.flatMap((span) => {
      const edge = { width: 1, color: style(`--${span.kind}`), dash: span.kind === "refused" ? "dot" : "solid" };
      if (span.kind === "gap") return [rect(span, {})];
      if (span.kind === "refused") return [rect(span, { line: edge })];
      return [rect(span, { opacity: 0.35, line: edge }), rect(span, { y0: 0.955, fillcolor: style(`--${span.kind}-strip`) })]; // alarms: faint, with a strong strip on top
    });
  }

  function axisX(width) {
    const { values, texts } = ticks(view.from, view.to, width - MARGIN.l - MARGIN.r);
    return { range: [view.from, view.to], tickmode: "array", tickvals: values, ticktext: texts };
  }

  function layout(panel, width) {
    const ink = style("--soft"), grid = style("--grid");
    const y = { range: limits(panel), fixedrange: true, gridcolor: grid, zeroline: true, zerolinecolor: style("--line"), exponentformat: "power", separatethousands: true, nticks: 6, automargin: false, title: { text: plain(panel.axis), standoff: 4, font: { size: 12 } } };
    if (panel.codes) { Object.assign(y, { tickmode: "array", tickvals: Object.keys(panel.codes).map(Number), showticklabels: false, title: undefined, zeroline: false }); }
    if (panel.heat) Object.assign(y, { gridcolor: "rgba(0,0,0,0)", title: { text: plain(panel.heat.along), standoff: 4, font: { size: 11 } } });
    const names = Object.entries(panel.codes || {}).map(([code, name]) => ({ xref: "paper", x: 0, xanchor: "left", y: Number(code), yanchor: "bottom", text: plain(name), showarrow: false, font: { size: 12, color: style("--ink") } }));
    return {
      margin: MARGIN, showlegend: false, hovermode: false, dragmode: coarse ? false : "zoom", autosize: true, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink }, annotations: names, shapes: shapes(panel), separators: ". ",
      xaxis: { type: "linear", fixedrange: coarse, gridcolor: grid, zeroline: false, ticks: "outside", tickcolor: grid, ...axisX(width) }, yaxis: y,
    };
  }

  const options = { displayModeBar: false, responsive: true, doubleClick: false, scrollZoom: false, showTips: false };
  const plots = figure.panels.map((panel) => ({ panel, place: find(`#${CSS.escape(panel.id)} .plot`), values: all(`#${CSS.escape(panel.id)} .legend output`) }));
  let quiet = false;

  async function draw(plot) {
    const { panel, place } = plot;
    await Plotly.react(place, traces(panel), layout(panel, place.clientWidth), options);
    if (!plot.cursor) {
      plot.cursor = document.createElement("div");
      plot.cursor.className = "cursor";
      place.append(plot.cursor);
      place.on("plotly_relayout", (change) => { if (!quiet && change["xaxis.range[0]"] !== undefined) show(change["xaxis.range[0]"], change["xaxis.range[1]"]); });
      place.on("plotly_doubleclick", () => show(figure.start, figure.end));
      place.addEventListener("dblclick", () => show(figure.start, figure.end));
      place.addEventListener("pointermove", (event) => { const box = place.getBoundingClientRect(); const share = (event.clientX - box.left - MARGIN.l) / (box.width - MARGIN.l - MARGIN.r); point(share < 0 || share > 1 ? null : view.from + share * (view.to - view.from)); });
      place.addEventListener("pointerleave", () => point(null));
      place.addEventListener("keydown", keys);
      new ResizeObserver(() => Plotly.relayout(place, { xaxis: { ...place.layout.xaxis, ...axisX(place.clientWidth) } })).observe(place);
    }
    if (panel.bars) drawBars(panel);
    if (panel.fan) drawFan(panel);
  }

  function drawFan(panel) { // the last forecast, over how far ahead: its own axis, so the cursor of the others does not reach it
    const place = find(`#${CSS.escape(panel.id)} .plot.many`), ink = style("--soft"), grid = style("--grid"), { ahead, values, low, high } = panel.fan;
    const inside = ahead.map((_, i) => i).filter((i) => low[i] !== null && high[i] !== null), colour = style("--line-0");
    const area = { x: [...inside, ...[...inside].reverse()].map((i) => ahead[i]), y: [...inside.map((i) => low[i]), ...inside.reverse().map((i) => high[i])], fill: "toself", fillcolor: style("--band"), line: { width: 0 }, mode: "lines", hoverinfo: "skip" };
    const line = { x: ahead, y: values, mode: "lines+markers", line: { color: colour, width: 1.7 }, marker: { color: colour, size: 6 }, hovertemplate: "after %{x}: %{y:.4~f}<extra></extra>" };
    Plotly.react(place, [area, line], {
      margin: MARGIN, showlegend: false, hovermode: "closest", paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false, separators: ". ",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink },
      xaxis: { fixedrange: true, gridcolor: grid, zeroline: false, tickvals: ahead, title: { text: "charges ahead", standoff: 6, font: { size: 12 } } },
      yaxis: { fixedrange: true, gridcolor: grid, zerolinecolor: style("--line"), nticks: 5, title: { text: plain(panel.axis), standoff: 4, font: { size: 12 } } },
    }, options);
  }

  function drawBars(panel) {
    const place = find(`#${CSS.escape(panel.id)} .plot.many`), ink = style("--soft"), grid = style("--grid"), { numbers, values } = panel.bars;
    const known = values.filter((v) => v !== null), low = Math.min(...known), high = Math.max(...known);
    const alike = low * high > 0 && high - low < Math.max(Math.abs(low), Math.abs(high)) / 2; // bars from zero would all look the same
    const few = numbers.length <= 24, colour = style("--line-0");
    const trace = alike || panel.heat ? { type: "scatter", mode: panel.heat ? "lines+markers" : "markers", line: { color: colour, width: 1.5 }, marker: { color: colour, size: 7 } } : { type: "bar", marker: { color: colour } };
    Plotly.react(place, [{ ...trace, x: few ? numbers.map(String) : numbers, y: values, hovertemplate: "%{x}: %{y:.5~g}<extra></extra>" }], {
      margin: MARGIN, showlegend: false, hovermode: "closest", paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", bargap: 0.25, dragmode: false, separators: ". ",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink },
      xaxis: { type: few ? "category" : "linear", fixedrange: true, gridcolor: grid, zeroline: false, title: { text: panel.heat ? plain(panel.heat.along) : "element number", standoff: 6, font: { size: 12 } } },
      yaxis: { fixedrange: true, gridcolor: grid, zerolinecolor: style("--line"), nticks: 5, exponentformat: panel.heat ? "none" : "power", title: { text: panel.heat ? "" : plain(panel.axis), standoff: 4, font: { size: 12 } } },
    }, options);
  }

  // --- cursor: one time, read off in every panel
  let cursor = null;
  const at = (line, t) => {
    const i = firstAfter(line.x, t) - 1;
    if (i < 0 || (i === line.x.length - 1 && t > line.x[i] + (view.to - view.from) / 50)) return "";
    if (Number.isNaN(line.y[i])) return "";
    if (i + 1 < line.x.length && Number.isNaN(line.y[i + 1]) && t > line.x[i]) return t - line.x[i] < (view.to - view.from) / 400 ? number(line.y[i]) : "no sample";
    const nearer = line.shape !== "hv" && i + 1 < line.x.length && line.x[i + 1] - t < t - line.x[i] ? i + 1 : i;
    return number(line.y[nearer]);
  };
  function point(t, spoken) {
    cursor = t;
    const timeShown = find("#time");
    timeShown.textContent = t === null ? `${clock(view.from)} – ${clock(view.to)}` : clock(t, view.to - view.from < 2 * D);
    for (const plot of plots) {
      if (!plot.cursor) continue;
      const width = plot.place.clientWidth - MARGIN.l - MARGIN.r;
      plot.cursor.style.display = t === null ? "none" : "block";
      if (t !== null) plot.cursor.style.left = `${MARGIN.l + (width * (t - view.from)) / (view.to - view.from)}px`;
      plot.panel.lines.forEach((line, i) => { const value = t === null ? "" : at(line, t); plot.values[i].textContent = value === "" ? "" : plot.panel.codes ? plot.panel.codes[value] || value : value; });
    }
    if (spoken && t !== null) find("#spoken").textContent = `${clock(t)}: ${spoken.panel.lines.map((line, i) => `${line.name} ${spoken.values[i].textContent}`).join(", ")}`;
  }
  function keys(event) {
    const span = view.to - view.from, plot = plots.find((each) => each.place === event.currentTarget);
    const middle = cursor === null ? view.from + span / 2 : cursor, step = span * (event.shiftKey ? 0.1 : 0.01);
    const move = (t) => { const to = Math.min(figure.end, Math.max(figure.start, t)); if (to < view.from || to > view.to) show(view.from + (to < view.from ? -span / 2 : span / 2), view.to + (to < view.from ? -span / 2 : span / 2)); point(to, plot); };
    const deeds = { ArrowLeft: () => move(middle - step), ArrowRight: () => move(middle + step), "+": () => { show(middle - span / 4, middle + span / 4); point(middle, plot); }, "-": () => show(middle - span, middle + span), 0: () => show(figure.start, figure.end), Escape: () => point(null) };
    const deed = deeds[event.key === "=" ? "+" : event.key];
    if (!deed || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    deed();
  }

  // --- range: all panels show the same
  let waiting = 0;
  function show(from, to) {
    const least = Math.max(10 * figure.tick, 1000), whole = figure.end - figure.start;
    const span = Math.min(whole, Math.max(least, to - from));
    const middle = (from + to) / 2;
    view.from = Math.min(figure.end - span, Math.max(figure.start, middle - span / 2));
    view.to = view.from + span;
    for (const button of all("[data-span]")) button.setAttribute("aria-pressed", String(Math.abs((Number(button.dataset.span) || whole) - span) < 1000));
    point(null);
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(async () => {
      quiet = true;
      for (const { panel, place } of plots) {
        const x = axisX(place.clientWidth);
        await Plotly.relayout(place, { "xaxis.range": x.range, "xaxis.tickvals": x.tickvals, "xaxis.ticktext": x.ticktext, "yaxis.range": limits(panel) });
      }
      quiet = false;
    });
  }
  for (const button of all("[data-span]")) button.addEventListener("click", () => { const span = Number(button.dataset.span); if (span) show(view.to - span, view.to); else show(figure.start, figure.end); });
  for (const button of all("[data-move]")) button.addEventListener("click", () => { const by = Number(button.dataset.move) * (view.to - view.from); show(view.from + by, view.to + by); });
  for (const button of all("[data-event]")) button.addEventListener("click", () => { const t = Number(button.dataset.event), span = Math.min(figure.end - figure.start, D); show(t - span / 2, t + span / 2); find("#outputs").scrollIntoView(); });

  // --- legend: lines on and off
  for (const { panel, place } of plots) {
    all(`#${CSS.escape(panel.id)} .legend button`).forEach((button, i) => button.addEventListener("click", () => {
      panel.lines[i].off = !panel.lines[i].off;
      button.setAttribute("aria-pressed", String(!panel.lines[i].off));
      draw(plots.find((each) => each.place === place));
    }));
  }

  async function redraw() {
    if (!source) return;
    for (const plot of plots) await draw(plot);
  }
  (async () => {
    for (const plot of plots) { await draw(plot); await new Promise((done) => setTimeout(done)); }
    point(null);
    root.dataset.ready = "yes";
  })();
  // --- paper is light, whatever the screen shows
  let onScreen;
  const inked = (theme) => { if (theme) root.dataset.theme = theme; else delete root.dataset.theme; plots.forEach(draw); };
  addEventListener("beforeprint", () => { onScreen = root.dataset.theme; inked("light"); });
  addEventListener("afterprint", () => inked(onScreen));
  addEventListener("error", () => { root.dataset.failed = "yes"; });
})();
