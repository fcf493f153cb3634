/* What the sliders mean: a constant-current run from rest, its end, and how it compares with the truth on a node. */
Explorer.start((content) => {
  "use strict";
  const data = content.data, truth = data.truth, BINS = 192, CELLS = 20;
  const stored = Object.fromEntries(Object.entries(truth.quantities).map(([name, each]) => [name, { ...each, data: Explorer.u16(each.data) }]));
  const physics = Explorer.network("physics"), [, MODES, NODES] = physics.shapes.negative0, LIQUID = physics.shapes.electrolyte0[1];
  const fill = (dims, value) => Onnx.floats(dims, new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(value));
  const first = (count, width, value) => { const all = new Float32Array(count * width); all.fill(value, 0, width); return Onnx.floats(width === 1 ? [1, count] : [1, count, width], all); };

  function feeds(current, kelvin, seconds, negative, positive, salt) {
    const n = seconds.length;
    return {
      current: Onnx.floats([1, n], current), spread: fill([1, n], 0), temperature: fill([1, n], kelvin), seconds: Onnx.floats([1, n], seconds),
      negative0: first(MODES, NODES, negative), positive0: first(MODES, NODES, positive), electrolyte0: first(LIQUID, 1, salt), parameters: fill([1, 10], 0), memory0: fill([1, 1], 0),
    };
  }
  /* The uniform mode is the first; its size and sign are read off the network itself. */
  const unit = (() => {
    const still = new Float32Array(24).fill(1e-4), try_ = (salt) => physics.run(feeds(new Float32Array(24), 298.15, still, 1000, 1000, salt), ["negative", "positive", "electrolyte"]);
    const plus = try_(10), minus = try_(-10), up = plus.electrolyte.data[0] > minus.electrolyte.data[0];
    return { negative: 1000 / plus.negative.data[0], positive: 1000 / plus.positive.data[0], electrolyte: (up ? 10 : -10) / Math.max(plus.electrolyte.data[0], minus.electrolyte.data[0]) };
  })();

  const between = (xs, ys, x) => { let i = 0; while (i < xs.length - 2 && xs[i + 1] < x) i++; const w = Math.min(1, Math.max(0, (x - xs[i]) / (xs[i + 1] - xs[i]))); return ys[i] + w * (ys[i + 1] - ys[i]); };
  const lost = (cycle, celsius) => { const curves = data.sei.curves, at = curves.map((each) => between(each.cycle, each.lost, cycle)); return curves.length === 1 ? at[0] : between(curves.map((each) => each.temperature), at, celsius); };
  const startOf = (direction, ampereHours) => { const at = ampereHours / data.starts.step, i = Math.min(data.starts[direction][0].length - 2, Math.floor(at)), w = at - i; return data.starts[direction].map((row) => row[i] + w * (row[i + 1] - row[i])); };
  const nodeOf = (v) => truth.nodes.findIndex((node) => node.direction === v.direction && node.cycle === v.cycle && node.temperature === v.temperature && Math.abs(node.rate - v.rate) < 1e-9);
  function nearestNode(v) {
    const far = (node) => Math.abs(node.temperature - v.temperature) / 70 + Math.abs(node.rate - v.rate) / 4.5 + Math.abs(node.cycle - v.cycle) / 1200;
    return truth.nodes.filter((node) => node.direction === v.direction).reduce((best, node) => (far(node) < far(best) ? node : best));
  }
  /* The charge that the truth gives on the nodes around bounds the end of a run: the most of them, at this rate. */
  const AROUND = ["temperature", "rate", "cycle"].map((name) => [name, [...new Set(truth.nodes.map((node) => node[name]))].sort((a, b) => a - b)]);
  function latestEnd(v) {
    const beside = AROUND.map(([name, stops]) => { const low = stops.filter((n) => n <= v[name] + 1e-9).pop(), high = stops.find((n) => n >= v[name] - 1e-9); return [name, [low ?? high, high ?? low]]; });
    const corners = truth.nodes.filter((node) => node.direction === v.direction && beside.every(([name, pair]) => pair.includes(node[name])));
    return Math.max(...corners.map((node) => node.cutoff * node.rate)) / v.rate;
  }
  const nearest = (v) => { const { temperature, rate, cycle } = nearestNode(v); return { temperature, rate, cycle }; };
  /* Bins that start short and grow to an even length. */
  function bins(total) {
    const shares = Float64Array.from({ length: BINS }, (_, i) => Math.min(1, 0.04 + i / 40)), all = shares.reduce((a, b) => a + b, 0);
    return Float32Array.from(shares, (share) => (share * total) / all);
  }
  const endsOf = (seconds) => { let sum = 0; return [0, ...Array.from(seconds, (each) => (sum += each))]; };

  /* When the network's own electrolyte first falls below the least that the parameter set is good for. */
  function dryFrom(electrolyte, ends) {
    const width = electrolyte.dims[2], at = electrolyte.data.findIndex((c) => c < data.electrolyte);
    return at < 0 ? Infinity : ends[Math.floor(at / width)];
  }
  function physicsRun(v, start) {
    const sign = v.direction === "discharge" ? 1 : -1, limit = data.limits[v.direction], ampere = sign * v.rate * data.nominal;
    const near = nearestNode(v), longest = ((3600 * data.capacity) / (v.rate * data.nominal)) * 1.05;
    let total = Math.min(longest, Math.max(10, (1.3 * near.cutoff * near.rate) / v.rate)), found; // most runs end as the nearest node's does
    for (let turn = 0; turn < 3; turn++) {
      const seconds = bins(total), ends = endsOf(seconds);
      const given = feeds(new Float32Array(BINS).fill(ampere), v.temperature + 273.15, seconds, start[0] * unit.negative, start[1] * unit.positive, 1000 * unit.electrolyte), out = physics.run(given, ["voltage", "margin", "negative", "positive", "electrolyte"]);
      const middle = Array.from(seconds, (each, i) => ends[i] + each / 2), voltage = Array.from(out.voltage.data), beyond = voltage.findIndex((u) => !(sign * (u - limit) > 0));
      const cutoff = beyond < 0 ? ends[BINS] : beyond === 0 ? 0 : middle[beyond - 1] + ((middle[beyond] - middle[beyond - 1]) * (voltage[beyond - 1] - limit)) / (voltage[beyond - 1] - voltage[beyond] || 1);
      found = { given, out, seconds, ends, middle, voltage, margin: Array.from(out.margin.data), cutoff: Number.isFinite(cutoff) ? cutoff : middle[Math.max(0, beyond - 1)], reached: beyond >= 0, fields: { negative: out.negative.data, positive: out.positive.data } };
      found.dry = dryFrom(out.electrolyte, ends);
      if (!found.reached && total < longest) { total = longest; continue; }
      if (found.cutoff > 0.25 * total || found.cutoff === 0) break;
      total = 1.3 * Math.max(found.cutoff, 2);
    }
    return { ...found, start: { negative: start[0], positive: start[1] } };
  }
  /* The data-only network works on its own bins of 5 s; voltage, margin and the end stay the physics network's. */
  function dataRun(v, run) {
    const network = Explorer.network("data"), n = Math.max(24, Math.ceil(run.cutoff / 5 / 24) * 24), sign = v.direction === "discharge" ? 1 : -1;
    const seconds = new Float32Array(n).fill(5), empty = v.direction === "charge", soc = empty ? 0 : 1;
    const known = { current: fill([1, n], sign * v.rate * data.nominal), spread: fill([1, n], 0), temperature: fill([1, n], v.temperature + 273.15), seconds: Onnx.floats([1, n], seconds), voltage_start: fill([1, 1], empty ? 2.5 : 4.2), soc0: fill([1, 1], soc) };
    const out = network.run(known, ["negative", "positive"]);
    return { ...run, given: known, out, ends: endsOf(seconds), fields: { negative: out.negative.data, positive: out.positive.data } };
  }

  /* c(r, x) at the end of bin i - 1; i = 0 is the start. */
  const cellAt = (run, side, i, r, x) => (i === 0 ? run.start[side] : run.fields[side][((i - 1) * CELLS + r) * CELLS + x]);
  const along = (side, place) => (place === "mean" ? null : (place === "collector") === (side === "negative") ? 0 : CELLS - 1);
  function radial(run, side, place) {
    const x = along(side, place);
    return (i, r) => { if (x !== null) return cellAt(run, side, i, r, x); let sum = 0; for (let k = 0; k < CELLS; k++) sum += cellAt(run, side, i, r, k); return sum / CELLS; };
  }
  const surface = (run, side) => (i, row) => { const x = side === "negative" ? row : CELLS - 1 - row; return 1.5 * cellAt(run, side, i, CELLS - 1, x) - 0.5 * cellAt(run, side, i, CELLS - 2, x); };
  const centres = Array.from({ length: CELLS }, (_, i) => (i + 0.5) / CELLS);

  function truthOf(node, name, place) {
    if (node < 0 || !(truth.nodes[node].end > 0)) return null;
    const each = stored[name], [, ...shape] = each.shape, n = shape[shape.length - 1], size = shape.reduce((a, b) => a * b, 1), at = (k) => each.first + each.step * each.data[node * size + k];
    const times = Array.from({ length: n }, (_, i) => (truth.nodes[node].end * i) / (n - 1));
    if (shape.length === 1) return { times, values: times.map((_, i) => at(i)) };
    const rows = shape[shape.length - 2], from = place === undefined ? 0 : ({ null: 0, 0: 1, 19: 2 })[place] * rows * n, turned = place === undefined && name.startsWith("positive");
    const row = (k) => (turned ? rows - 1 - k : k);
    return { times, kept: truth.kept, rows: truth.kept.map((_, k) => (truth.kept[row(k)] + 0.5) / CELLS).map((share) => (turned ? 1 - share : share)), value: (i, k) => at(from + row(k) * n + i) };
  }
  /* A part of a picture that ends at `end`, with a last column there. */
  function part(name, times, rows, value, end, endName) {
    if (!(end > 0)) return { name, missing: "ended before it began" };
    const kept = times.filter((t) => t < end), last = kept.length - 1, w = last + 1 < times.length ? (end - times[last]) / (times[last + 1] - times[last]) : 0;
    const at = (i, row) => { if (i <= last) return value(i, row); const a = value(last, row); return w ? a + w * (value(last + 1, row) - a) : a; };
    const all = [...kept, end], width = rows.length, values = new Float32Array(all.length * width);
    for (let i = 0; i < all.length; i++) for (let row = 0; row < width; row++) values[i * width + row] = at(i, row);
    return { name, times: all, rows, value: (i, row) => values[i * width + row], end, endName };
  }
  const interpolated = (p, t, row) => { let i = 0; while (i < p.times.length - 2 && p.times[i + 1] < t) i++; const w = Math.min(1, Math.max(0, (t - p.times[i]) / (p.times[i + 1] - p.times[i] || 1))); return p.value(i, row) * (1 - w) + w * p.value(i + 1, row); };
  const NO_TRUTH = "Error against truth: none here, between the nodes.", ENDED = "Error against truth: none, the truth ends at once.";
  const say = (value) => String(value).replace("-", "−");
  const number = (v) => (v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v.toFixed(2));
  const clock = (s) => (s >= 600 ? `${(s / 60).toFixed(1)} min` : `${s.toFixed(s < 100 ? 1 : 0)} s`);

  function heatPanel(v, run, side, node, outside, x) {
    const surfaced = side.endsWith("_surface"), electrode = side.split("_")[0], limit = data.limits[v.direction], name = v.network === "data" ? "Data-only network" : "Physics network";
    const value = surfaced ? surface(run, electrode) : radial(run, electrode, v.place), place = surfaced ? undefined : along(electrode, v.place);
    const predicted = { ...part(name, run.ends, centres, value, run.cutoff, run.capped ? "truth's end" : `${limit} V`), doubt: run.dry };
    const real = truthOf(node, side, place), missing = node < 0 ? "no truth on this position" : "no truth: over at once";
    const shown = real ? part("Truth", real.times, real.rows, real.value, real.times[real.times.length - 1], truth.nodes[node].end < truth.nodes[node].cutoff - 1e-6 ? "electrolyte" : `${limit} V`) : { name: "Truth", missing };
    let error = node < 0 ? NO_TRUTH : ENDED, size = null;
    if (real && predicted.times) { size = compare(predicted, real); error = `RMSE against truth: ${number(size)} mol/m³ (${Number((100 * size / data.largest[electrode]).toPrecision(2))} % of the largest)`; }
    return {
      kind: "heat", parts: [predicted, shown], x: { low: 0, high: x.high / x.unit, title: x.title }, y: { title: surfaced ? "collector – separator" : "centre – surface" }, unit: "mol/m³", outside, error, rmse: size,
      label: `${name}: lithium in the ${electrode} electrode${surfaced ? " at the surface" : ""}, to ${clock(run.cutoff)}. ${error}`, scale: x.unit,
    };
  }
  function compare(predicted, real) {
    const end = predicted.times[predicted.times.length - 1];
    let sum = 0, count = 0;
    real.times.forEach((t, i) => {
      if (t > end * 1.0001) return;
      real.rows.forEach((share, k) => { const row = Math.round(share * CELLS - 0.5), d = interpolated(predicted, t, row) - real.value(i, k); sum += d * d; count++; });
    });
    return Math.sqrt(sum / count);
  }
  const scaled = (panel) => { if (panel.scale !== 1) panel.parts = panel.parts.map((p) => (p.times ? { ...p, times: p.times.map((t) => t / panel.scale), end: p.end / panel.scale, doubt: p.doubt / panel.scale } : p)); return panel; };

  function linePanel(v, run, name, node, outside, x) {
    const limit = data.limits[v.direction], until = run.middle.findIndex((t) => t > run.cutoff), count = until < 0 ? run.middle.length : until, factor = name === "margin" ? 1000 : 1;
    const times = run.middle.slice(0, count), values = run[name].slice(0, count).map((u) => u * factor);
    if (count && name === "voltage" && run.reached && !run.capped && run.cutoff > times[count - 1]) { times.push(run.cutoff); values.push(limit); }
    const real = truthOf(node, name), series = run.cutoff > 0 ? [{ name: "Physics network", x: times.map((t) => t / x.unit), y: values, colour: "--line-0" }] : [];
    let error = node < 0 ? NO_TRUTH : ENDED, size = null;
    if (real) {
      series.push({ name: "Truth", x: real.times.map((t) => t / x.unit), y: real.values.map((u) => u * factor), colour: "--line-1", dash: "dash" });
      const inside = real.times.map((t, i) => [t, real.values[i] * factor]).filter(([t]) => t >= times[0] && t <= times[times.length - 1]);
      if (inside.length) { size = Math.sqrt(inside.reduce((sum, [t, u]) => sum + (between(times, values, t) - u) ** 2, 0) / inside.length); error = `RMSE against truth: ${number(size * (name === "margin" ? 1 : 1000))} mV`; }
    }
    return {
      kind: "lines", series, x: { low: 0, high: x.high / x.unit, title: x.title }, y: { title: name === "margin" ? "Margin / mV" : "Voltage / V" }, end: run.cutoff / x.unit, endName: run.capped ? "truth's end" : `${limit} V`, doubt: run.dry / x.unit, outside, error, rmse: size,
      level: name === "margin" ? { at: 0, name: "below: lithium may plate" } : undefined, label: `${name === "margin" ? "Margin to plating" : "Voltage"} to ${clock(run.cutoff)}. ${error}`,
    };
  }
  function seiPanel(v, outside, taken) {
    const { curves, truth: kept, current, by } = data.sei, axis = Array.from({ length: 61 }, (_, i) => i * 20);
    const at = (name) => axis.map((cycle) => { const each = curves.map((curve) => between(curve.cycle, curve[name], cycle)); return curves.length === 1 ? each[0] : between(curves.map((curve) => curve.temperature), each, v.temperature); });
    const thickness = at("thickness"), real = kept.find((each) => each.temperature === v.temperature), series = [{ name: "Predicted", x: axis, y: thickness, colour: "--line-0" }];
    const low = curves[0].temperature, high = curves[curves.length - 1].temperature, beyond = v.temperature < low || v.temperature > high;
    let error = `No truth is kept at ${say(v.temperature)} °C; it is at ${kept.map((each) => say(each.temperature)).join(", ")} °C.`;
    if (real) {
      series.push({ name: "Truth", x: real.cycle, y: real.thickness, colour: "--line-1", dash: "dash" });
      const last = real.cycle.length - 1, mine = between(axis, thickness, real.cycle[last]);
      error = `After ${real.cycle[last]} cycles: ${mine.toFixed(1)} nm predicted, ${real.thickness[last].toFixed(1)} nm true, ${say((100 * (mine / real.thickness[last] - 1)).toFixed(2))} %.`;
    }
    if (beyond) error += ` Curve of ${say(v.temperature < low ? low : high)} °C, the nearest predicted.`;
    const after = curves.findIndex((each) => each.temperature >= v.temperature), exact = after >= 0 && (after === 0 || curves[after].temperature === v.temperature);
    const held = Math.max(...(after < 0 ? curves.slice(-1) : exact ? [curves[after]] : curves.slice(after - 1, after + 1)).map((each) => each.held));
    if (held > 1e-3) error += ` In it the hold is kept to ${(1000 * held).toFixed(0)} mV only, which moves the growth by percents.`;
    if (!current) error += by.endsWith(".onnx") ? " Predicted before the weights last changed." : ` Predicted by ${by}.`;
    const here = between(axis, thickness, v.cycle);
    return { kind: "lines", series, x: { low: 0, high: 1200, title: "Full cycles" }, y: { title: "Thickness / nm", low: 0 }, marks: [{ x: v.cycle, y: here }], outside: outside.temperature, error: `${error} Lost at cycle ${v.cycle}: ${taken.toFixed(3)} Ah.`, label: `SEI thickness by cycle. ${error}` };
  }
  function rangesPanel(v) {
    const nodes = [...new Set(truth.nodes.map((node) => `${node.temperature},${node.rate}`))].map((text) => text.split(",").map(Number));
    return { kind: "plane", x: { low: -10, high: 60, title: "Temperature / °C" }, y: { low: 0.5, high: 5, title: "C-rate" }, trained: { x: data.trained[0], y: data.trained[1] }, nodes, here: [v.temperature, v.rate], names: { outside: "hatched: not trained; +: truth", trained: "trained" }, label: `Sliders at ${say(v.temperature)} °C and ${v.rate}C; trained at 15 to 35 °C and up to 3C.` };
  }
  function texts(v, run, node, outside, latest) {
    const limit = data.limits[v.direction], known = node >= 0 ? truth.nodes[node] : null, near = nearest(v), out = [];
    if (outside.temperature) out.push(`${say(v.temperature)} °C is outside 15 to 35 °C`);
    if (outside.rate) out.push(`${v.rate}C is above 3C`);
    const others = known ? `, truth ${clock(known.cutoff)}` : run.cutoff > latest ? `, truth on the nodes around ${clock(latest)} at most` : "";
    const end = run.cutoff === 0 ? `Beyond ${limit} V from the first instant: nothing to draw.` : run.reached ? `Cut-off (${limit} V): ${clock(run.cutoff)}${others}. Nothing is drawn beyond ${others ? "the earlier" : "it"}.` : `${limit} V is not reached within ${clock(run.cutoff)}${others}.`;
    const dry = known && known.end < known.cutoff - 1e-6 ? ` Its electrolyte falls below ${data.electrolyte} mol/m³ after ${clock(known.end)}: what follows is left out.` : "";
    return {
      "status-end": run.dry < Math.min(run.cutoff, latest) ? { text: `${end} Its own electrolyte falls below ${data.electrolyte} mol/m³ after ${clock(run.dry)}: hatched.`, kind: "notice" } : { text: end, kind: "none" },
      "status-range": out.length ? { text: `Outside the training range: ${out.join(", ")}. The pictures are hatched at their upper edge.`, kind: "notice" } : { text: "Inside the training range (15 to 35 °C, up to 3C).", kind: "good" },
      "status-truth": known ? { text: `On a node of the truth.${dry}`, kind: dry ? "notice" : "good" } : { text: `Between the nodes: no truth, no error shown. Nearest: ${say(near.temperature)} °C, ${near.rate}C, cycle ${near.cycle}.`, kind: "none" },
    };
  }
  return (v) => {
    const node = nodeOf(v), taken = node >= 0 ? truth.nodes[node].lost : lost(v.cycle, v.temperature), start = startOf(v.direction, taken);
    const full = physicsRun(v, start), latest = latestEnd(v), base = { ...full, cutoff: Math.min(full.cutoff, latest), capped: latest < full.cutoff }, run = v.network === "data" && base.cutoff > 0 ? dataRun(v, base) : base;
    const outside = { temperature: v.temperature < data.trained[0][0] || v.temperature > data.trained[0][1], rate: v.rate > data.trained[1][1] }, any = outside.temperature || outside.rate;
    const longest = Math.max(run.cutoff, node >= 0 ? truth.nodes[node].end : 0, 1) * 1.04, unit_ = longest > 900 ? 60 : 1, x = { high: longest, unit: unit_, title: unit_ === 60 ? "Time / min" : "Time / s" };
    const panels = { ranges: rangesPanel(v) };
    for (const side of ["negative", "positive", "negative_surface", "positive_surface"]) panels[side] = scaled(heatPanel(v, run, side, node, any, x));
    for (const name of ["voltage", "margin"]) panels[name] = linePanel(v, base, name, node, any, x);
    panels.sei = seiPanel(v, outside, taken);
    return { panels, texts: texts(v, full, node, outside, latest), nearest: node < 0 ? nearest(v) : null, run, start };
  };
});
