/* Heat maps, lines and a map of ranges on canvases: sharp on any screen, in the page's colours. */
const Draw = (() => {
  "use strict";
  const root = document.documentElement;
  const style = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const STOPS = ["#440154", "#482475", "#414487", "#355f8d", "#2a788e", "#21918c", "#22a884", "#44bf70", "#7ad151", "#bddf26", "#fde725"].map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  const colour = (share) => { const at = Math.min(0.99999, Math.max(0, share)) * 10, i = Math.floor(at), w = at - i; return STOPS[i].map((v, k) => Math.round(v + (STOPS[i + 1][k] - v) * w)); };
  const TABLE = Array.from({ length: 256 }, (_, i) => colour(i / 255));
  const SMALL = 11.5;

  const plain = (v) => (v === 0 ? "0" : Math.abs(v) >= 1e4 ? Math.round(v).toLocaleString("en").replace(/,/g, " ") : String(Number(v.toPrecision(4))));
  function ticks(low, high, most) {
    const span = high - low || 1, rough = span / Math.max(1, most), power = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 5, 10].find((n) => n * power >= rough) * power, found = [];
    for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) found.push(Math.abs(v) < step / 1e6 ? 0 : v);
    return found;
  }
  function begin(canvas) {
    const ratio = Math.min(2, devicePixelRatio || 1), width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = `${SMALL}px ${getComputedStyle(document.body).fontFamily}`;
    return { pen, width, height };
  }
  function write(pen, text, x, y, align = "left", ink = "--soft", base = "alphabetic") { pen.fillStyle = style(ink); pen.textAlign = align; pen.textBaseline = base; pen.fillText(text, x, y); }
  /* bare: which of the two axes has no numbers and no title, because a neighbour has them. */
  function axes(pen, box, x, y, grid, bare = {}) {
    pen.lineWidth = 1;
    for (const v of ticks(x.low, x.high, Math.min(6, box.width / 58))) {
      const at = box.left + (box.width * (v - x.low)) / (x.high - x.low);
      pen.strokeStyle = style(grid ? "--grid" : "--line");
      pen.beginPath(); pen.moveTo(at, grid ? box.top : box.top + box.height); pen.lineTo(at, box.top + box.height + 4); pen.stroke();
      if (!bare.x) write(pen, plain(v), at, box.top + box.height + 7, "center", "--soft", "top");
    }
    for (const v of bare.y ? [] : ticks(y.low, y.high, Math.min(6, box.height / 30))) {
      const at = box.top + box.height - (box.height * (v - y.low)) / (y.high - y.low);
      pen.strokeStyle = style(grid ? "--grid" : "--line");
      pen.beginPath(); pen.moveTo(box.left - 4, at); pen.lineTo(grid ? box.left + box.width : box.left, at); pen.stroke();
      write(pen, plain(v), box.left - 7, at, "right", "--soft", "middle");
    }
    pen.strokeStyle = style("--line");
    pen.strokeRect(box.left, box.top, box.width, box.height);
    if (!bare.x) write(pen, x.title, box.left + box.width / 2, box.top + box.height + 22, "center", "--soft", "top");
    if (bare.y || !y.title) return;
    pen.save();
    pen.translate(box.left - 46, box.top + box.height / 2);
    pen.rotate(-Math.PI / 2);
    write(pen, y.title, 0, 0, "center", "--soft", "middle");
    pen.restore();
  }
  function hatch(pen, left, top, width, height, fill = 0.55) {
    if (width <= 0 || height <= 0) return;
    pen.save();
    pen.beginPath(); pen.rect(left, top, width, height); pen.clip();
    pen.fillStyle = style("--notice-back"); pen.globalAlpha = fill; pen.fillRect(left, top, width, height);
    pen.globalAlpha = 0.4; pen.strokeStyle = style("--notice"); pen.lineWidth = 1;
    pen.beginPath();
    for (let at = left - height; at < left + width; at += 9) { pen.moveTo(at, top + height); pen.lineTo(at + height, top); }
    pen.stroke();
    pen.restore();
  }

  /* part: {times, rows (0 to 1), value(i, row)}; drawn from the first to the last time and nowhere else. */
  function image(part, x, low, high, columns) {
    const lines = 60, picture = new ImageData(columns, lines), place = [], n = part.times.length, last = Math.min(part.times[n - 1], x.high);
    for (let k = 0; k < lines; k++) { const share = 1 - (k + 0.5) / lines; let best = 0; part.rows.forEach((row, i) => { if (Math.abs(row - share) < Math.abs(part.rows[best] - share)) best = i; }); place.push(best); }
    let i = 0;
    for (let column = 0; column < columns; column++) {
      const t = x.low + ((column + 0.5) / columns) * (x.high - x.low);
      if (t > last) break;
      while (i < n - 2 && part.times[i + 1] < t) i++;
      const w = n > 1 ? Math.min(1, Math.max(0, (t - part.times[i]) / (part.times[i + 1] - part.times[i]))) : 0;
      const shades = part.rows.map((_, row) => { const a = part.value(i, row), v = w ? a + w * (part.value(i + 1, row) - a) : a; return TABLE[Math.min(255, Math.max(0, Math.round((255 * (v - low)) / (high - low || 1))))]; });
      for (let k = 0; k < lines; k++) { const shade = shades[place[k]], at = (k * columns + column) * 4; picture.data[at] = shade[0]; picture.data[at + 1] = shade[1]; picture.data[at + 2] = shade[2]; picture.data[at + 3] = 255; }
    }
    const sheet = document.createElement("canvas");
    sheet.width = columns; sheet.height = lines;
    sheet.getContext("2d").putImageData(picture, 0, 0);
    return sheet;
  }
  function limits(parts) {
    let low = Infinity, high = -Infinity;
    for (const part of parts) if (part.times) for (let i = 0; i < part.times.length; i++) for (let row = 0; row < part.rows.length; row++) { const v = part.value(i, row); if (v < low) low = v; if (v > high) high = v; }
    return low > high ? [0, 1] : [low, high];
  }
  function heat(canvas, { parts, x, y, unit, outside }) {
    const { pen, width, height } = begin(canvas), stacked = width < 560, bar = 74, left = 52, gap = stacked ? 34 : 18;
    const each = stacked ? width - left - bar : (width - left - bar - gap) / 2, tall = stacked ? (height - 66 - gap) / 2 : height - 66, [low, high] = limits(parts);
    parts.forEach((part, k) => {
      const box = { left: stacked ? left : left + k * (each + gap), top: 24 + (stacked ? k * (tall + gap) : 0), width: each, height: tall };
      part.box = box;
      write(pen, part.name, box.left, box.top - 10, "left", "--ink");
      if (part.times) { pen.imageSmoothingEnabled = false; pen.drawImage(image(part, x, low, high, Math.max(2, Math.round(each))), box.left, box.top, each, tall); }
      else write(pen, part.missing, box.left + each / 2, box.top + tall / 2, "center", "--soft", "middle");
      if (outside) hatch(pen, box.left, box.top - 7, each, 6, 0.8);
      if (part.doubt < part.end) hatch(pen, box.left + (each * part.doubt) / x.high, box.top, (each * (part.end - part.doubt)) / x.high, tall, 0.12);
      axes(pen, box, x, { ...y, low: 0, high: 1 }, false, { x: stacked && k < parts.length - 1, y: !stacked && k > 0 });
      if (part.end !== undefined && part.end < x.high) ended(pen, box, x, part);
    });
    const top = 30, full = (stacked ? height - 66 : tall) - 6, at = width - bar + 12;
    for (let k = 0; k < full; k++) { pen.fillStyle = `rgb(${TABLE[255 - Math.floor((255 * k) / full)].join()})`; pen.fillRect(at, top + k, 11, 1.5); }
    for (const v of ticks(low, high, Math.min(5, full / 34))) write(pen, plain(v), at + 15, top + full - (full * (v - low)) / (high - low || 1), "left", "--soft", "middle");
    write(pen, unit, width - 2, 12, "right");
  }
  function ended(pen, box, x, part) {
    const at = box.left + (box.width * (part.end - x.low)) / (x.high - x.low);
    pen.strokeStyle = style("--ink"); pen.setLineDash([4, 3]);
    pen.beginPath(); pen.moveTo(at, box.top); pen.lineTo(at, box.top + box.height); pen.stroke();
    pen.setLineDash([]);
    if (part.endName && box.left + box.width - at > pen.measureText(part.endName).width + 8) write(pen, part.endName, at + 5, box.top + 20);
  }
  const DASHES = { solid: [], dash: [7, 4], dot: [2, 3] };
  function lines(canvas, { series, x, y, level, end, endName, outside, doubt, marks = [] }) {
    const { pen, width, height } = begin(canvas), box = { left: 58, top: 26, width: width - 72, height: height - 68 };
    let low = Infinity, high = -Infinity;
    for (const one of series) for (const v of one.y) { if (v < low) low = v; if (v > high) high = v; }
    if (level) { low = Math.min(low, level.at); high = Math.max(high, level.at); }
    if (low > high) { low = 0; high = 1; }
    const room = (high - low) * 0.07 || 0.5, range = { ...y, low: y.low ?? low - room, high: high + room };
    axes(pen, box, x, range, true);
    if (outside) hatch(pen, box.left, box.top - 7, box.width, 6, 0.8);
    if (doubt < end) hatch(pen, box.left + (box.width * doubt) / x.high, box.top, (box.width * (end - doubt)) / x.high, box.height);
    const px = (v) => box.left + (box.width * (v - x.low)) / (x.high - x.low), py = (v) => box.top + box.height - (box.height * (v - range.low)) / (range.high - range.low);
    if (level) { pen.strokeStyle = style("--bad"); pen.setLineDash([5, 4]); pen.beginPath(); pen.moveTo(box.left, py(level.at)); pen.lineTo(box.left + box.width, py(level.at)); pen.stroke(); pen.setLineDash([]); write(pen, level.name, box.left + 6, py(level.at) - 4, "left", "--bad"); }
    let at = box.left;
    for (const one of series) {
      pen.strokeStyle = style(one.colour); pen.lineWidth = 1.8; pen.setLineDash(DASHES[one.dash || "solid"]);
      pen.beginPath();
      one.x.forEach((v, i) => (i ? pen.lineTo(px(v), py(one.y[i])) : pen.moveTo(px(v), py(one.y[i]))));
      pen.stroke();
      pen.beginPath(); pen.moveTo(at, 12); pen.lineTo(at + 22, 12); pen.stroke();
      pen.setLineDash([]);
      write(pen, one.name, at + 28, 12, "left", "--ink", "middle");
      at += 44 + pen.measureText(one.name).width;
    }
    for (const mark of marks) { pen.fillStyle = style("--ink"); pen.beginPath(); pen.arc(px(mark.x), py(mark.y), 4, 0, 7); pen.fill(); }
    if (end !== undefined && end < x.high) ended(pen, box, x, { end, endName });
  }
  /* Two sliders as a plane: what was trained, where truth lies, where the sliders stand. */
  function plane(canvas, { x, y, trained, nodes, here, names }) {
    const { pen, width, height } = begin(canvas), box = { left: 52, top: 22, width: width - 64, height: height - 64 };
    const px = (v) => box.left + (box.width * (v - x.low)) / (x.high - x.low), py = (v) => box.top + box.height - (box.height * (v - y.low)) / (y.high - y.low);
    hatch(pen, box.left, box.top, box.width, box.height);
    pen.fillStyle = style("--card");
    pen.fillRect(px(trained.x[0]), py(trained.y[1]), px(trained.x[1]) - px(trained.x[0]), py(trained.y[0]) - py(trained.y[1]));
    axes(pen, box, x, y, false);
    pen.strokeStyle = style("--soft");
    pen.strokeRect(px(trained.x[0]), py(trained.y[1]), px(trained.x[1]) - px(trained.x[0]), py(trained.y[0]) - py(trained.y[1]));
    write(pen, names.outside, box.left, box.top - 8, "left", "--notice");
    write(pen, names.trained, (px(trained.x[0]) + px(trained.x[1])) / 2, py(trained.y[1]) + 14, "center", "--ink");
    for (const [a, b] of nodes) { pen.strokeStyle = style("--line-0"); pen.lineWidth = 1.2; pen.beginPath(); pen.moveTo(px(a) - 3, py(b)); pen.lineTo(px(a) + 3, py(b)); pen.moveTo(px(a), py(b) - 3); pen.lineTo(px(a), py(b) + 3); pen.stroke(); }
    pen.fillStyle = style("--line-1"); pen.strokeStyle = style("--ink"); pen.lineWidth = 1.5;
    pen.beginPath(); pen.arc(px(here[0]), py(here[1]), 6, 0, 7); pen.fill(); pen.stroke();
  }
  return { heat, lines, plane };
})();
