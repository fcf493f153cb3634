/* Evaluates ONNX graphs: 32-bit floats, sums in 64 bits. Whole numbers lie in 64-bit floats, truth values in bytes. */
const Onnx = (() => {
  "use strict";
  const STORE = { f: Float32Array, i: Float64Array, b: Uint8Array };
  const sizeOf = (dims) => dims.reduce((all, n) => all * n, 1);
  const tensor = (kind, dims, data) => ({ kind, dims, data: data || new STORE[kind](sizeOf(dims)) });
  const whole = (values) => tensor("i", [values.length], Float64Array.from(values));
  const list = (x) => (x ? Array.from(x.data) : []);
  const axisOf = (axis, rank) => (axis < 0 ? axis + rank : axis);
  const stridesOf = (dims) => { const s = new Array(dims.length); let n = 1; for (let i = dims.length - 1; i >= 0; i--) { s[i] = n; n *= dims[i]; } return s; };
  const fail = (text) => { throw new Error(text); };

  function broadcastDims(shapes) {
    const rank = Math.max(...shapes.map((dims) => dims.length)), found = new Array(rank).fill(1);
    for (const dims of shapes) dims.forEach((n, i) => {
      const at = i + rank - dims.length;
      if (n !== 1 && found[at] !== 1 && found[at] !== n) fail(`shapes do not fit: ${shapes.map((s) => `[${s}]`).join(" and ")}`);
      if (n !== 1) found[at] = n;
    });
    return found;
  }
  const stridesTo = (dims, wanted) => { const own = stridesOf(dims), shift = wanted.length - dims.length; return wanted.map((_, i) => (i < shift || dims[i - shift] === 1 ? 0 : own[i - shift])); };

  /* Walks all places of `dims` in order: calls inner(place in the result, offsets of the sources) once a run along the last axis. */
  function walk(dims, strides, inner) {
    const n = dims.length, total = sizeOf(dims);
    if (!total) return;
    const d = [], s = strides.map(() => []);
    for (let i = 0; i < n; i++) { // neighbouring axes that run on become one
      if (dims[i] === 1) continue;
      const last = d.length - 1;
      if (last >= 0 && strides.every((own, k) => s[k][last] === own[i] * dims[i])) { d[last] *= dims[i]; strides.forEach((own, k) => { s[k][last] = own[i]; }); }
      else { d.push(dims[i]); strides.forEach((own, k) => s[k].push(own[i])); }
    }
    if (!d.length) { d.push(1); s.forEach((own) => own.push(0)); }
    const rank = d.length, run = d[rank - 1], steps = s.map((own) => own[rank - 1]), offsets = s.map(() => 0), count = new Array(rank).fill(0);
    for (let place = 0; place < total; place += run) {
      inner(place, run, offsets, steps);
      for (let axis = rank - 2; axis >= 0; axis--) {
        count[axis]++;
        for (let k = 0; k < s.length; k++) offsets[k] += s[k][axis];
        if (count[axis] < d[axis]) break;
        count[axis] = 0;
        for (let k = 0; k < s.length; k++) offsets[k] -= s[k][axis] * d[axis];
      }
    }
  }
  function strided(x, dims, strides, start = 0) {
    const out = tensor(x.kind, dims), from = x.data, to = out.data;
    walk(dims, [strides], (place, run, [offset], [step]) => { let at = start + offset; for (let i = place; i < place + run; i++, at += step) to[i] = from[at]; });
    return out;
  }
  function binary(a, b, kind, f) {
    const dims = broadcastDims([a.dims, b.dims]), out = tensor(kind, dims), x = a.data, y = b.data, to = out.data;
    walk(dims, [stridesTo(a.dims, dims), stridesTo(b.dims, dims)], (place, run, offsets, steps) => f(to, x, y, place, place + run, offsets[0], offsets[1], steps[0], steps[1]));
    return out;
  }
  const add = (o, x, y, i, end, p, q, s, t) => { for (; i < end; i++, p += s, q += t) o[i] = x[p] + y[q]; };
  const subtract = (o, x, y, i, end, p, q, s, t) => { for (; i < end; i++, p += s, q += t) o[i] = x[p] - y[q]; };
  const multiply = (o, x, y, i, end, p, q, s, t) => { for (; i < end; i++, p += s, q += t) o[i] = x[p] * y[q]; };
  const divide = (o, x, y, i, end, p, q, s, t) => { for (; i < end; i++, p += s, q += t) o[i] = x[p] / y[q]; };
  const each = (g) => (o, x, y, i, end, p, q, s, t) => { for (; i < end; i++, p += s, q += t) o[i] = g(x[p], y[q]); };
  const compare = (g) => ([a, b]) => binary(a, b, "b", each(g));
  const unary = (g) => ([x]) => { const out = tensor(x.kind, x.dims), from = x.data, to = out.data; for (let i = 0; i < to.length; i++) to[i] = g(from[i]); return out; };
  const variadic = (f) => (xs) => xs.slice(1).reduce((all, x) => binary(all, x, all.kind, f), xs[0]);
  const remainder = (a, b) => a - b * Math.floor(a / b);
  const halfToEven = (v) => { const r = Math.round(v); return Math.abs(v % 1) === 0.5 && r % 2 ? r - 1 : r; };

  function matmul(a, b) {
    const x = a.dims.length === 1 ? [1, ...a.dims] : a.dims, y = b.dims.length === 1 ? [...b.dims, 1] : b.dims;
    const inner = x[x.length - 1], columns = y[y.length - 1];
    if (inner !== y[y.length - 2]) fail(`MatMul of [${a.dims}] and [${b.dims}]`);
    let rows = x[x.length - 2], batchA = x.slice(0, -2), batchB = y.slice(0, -2);
    const batch = broadcastDims([batchA, batchB]), dims = [...batch, rows, columns];
    let walked = batch;
    if (sizeOf(batchB) === 1) { rows *= sizeOf(batchA); batchA = []; batchB = []; walked = []; }
    const out = tensor("f", dims), to = out.data, p = a.data, q = b.data, sum = new Float64Array(columns), block = rows * columns;
    const times = (sizes, size) => stridesTo(sizes, walked).map((n) => n * size);
    walk([...walked, 1], [[...times(batchA, rows * inner), 0], [...times(batchB, inner * columns), 0]], (place, run, [atA, atB], [stepA, stepB]) => {
      for (let k = 0; k < run; k++) product(to, p, q, (place + k) * block, atA + k * stepA, atB + k * stepB, rows, inner, columns, sum);
    });
    const shaped = dims.slice();
    if (b.dims.length === 1) shaped.pop();
    if (a.dims.length === 1) shaped.splice(shaped.length - (b.dims.length === 1 ? 1 : 2), 1);
    return { ...out, dims: shaped };
  }
  function product(to, p, q, at, atA, atB, rows, inner, columns, sum) {
    for (let i = 0; i < rows; i++, atA += inner) {
      sum.fill(0);
      for (let k = 0, row = atB; k < inner; k++, row += columns) { const v = p[atA + k]; if (v !== 0) for (let j = 0; j < columns; j++) sum[j] += v * q[row + j]; }
      for (let j = 0; j < columns; j++) to[at++] = sum[j];
    }
  }
  const transposed = (x, order) => { const own = stridesOf(x.dims); return strided(x, order.map((i) => x.dims[i]), order.map((i) => own[i])); };
  const reversed = (x) => transposed(x, x.dims.map((_, i) => x.dims.length - 1 - i));

  function reduce(begin, step, end = (v) => v) {
    return ([x, given], { axes, keepdims = 1, noop_with_empty_axes: still = 0 }) => {
      const rank = x.dims.length, named = given ? list(given) : axes || [];
      if (!named.length && still) return x;
      const gone = new Set(named.length ? named.map((n) => axisOf(n, rank)) : x.dims.map((_, i) => i));
      const kept = x.dims.map((n, i) => (gone.has(i) ? 1 : n)), to = new Float64Array(sizeOf(kept)).fill(begin), from = x.data;
      const own = stridesOf(kept).map((n, i) => (gone.has(i) ? 0 : n));
      walk(x.dims, [own], (place, run, [offset], [stride]) => { for (let i = place, at = offset; i < place + run; i++, at += stride) to[at] = step(to[at], from[i]); });
      const share = from.length / Math.max(to.length, 1), out = tensor(x.kind, keepdims ? kept : x.dims.filter((_, i) => !gone.has(i)));
      for (let i = 0; i < to.length; i++) out.data[i] = end(to[i], share);
      return out;
    };
  }
  function concat(xs, { axis }) {
    const at = axisOf(axis, xs[0].dims.length), dims = xs[0].dims.slice();
    dims[at] = xs.reduce((all, x) => all + x.dims[at], 0);
    const out = tensor(xs[0].kind, dims), rest = sizeOf(dims.slice(at + 1)), row = dims[at] * rest, outer = sizeOf(dims.slice(0, at));
    let start = 0;
    for (const x of xs) { const n = x.dims[at] * rest; for (let i = 0; i < outer; i++) out.data.set(x.data.subarray(i * n, (i + 1) * n), i * row + start); start += n; }
    return out;
  }
  function slice([x, starts, ends, axes, steps]) {
    const rank = x.dims.length, own = stridesOf(x.dims), dims = x.dims.slice(), strides = own.slice(), by = list(steps);
    let begin = 0;
    const named = axes ? list(axes) : list(starts).map((_, i) => i);
    named.forEach((raw, i) => {
      const axis = axisOf(raw, rank), n = x.dims[axis], step = by.length ? by[i] : 1, wrap = (v) => (v < 0 ? v + n : v);
      const low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1, fit = (v) => Math.min(high, Math.max(low, v));
      const from = step > 0 ? fit(wrap(starts.data[i])) : Math.min(n - 1, Math.max(0, wrap(starts.data[i]))), to = ends.data[i] < -n ? low : fit(wrap(ends.data[i]));
      dims[axis] = Math.max(0, Math.ceil((to - from) / step));
      begin += from * own[axis];
      strides[axis] = own[axis] * step;
    });
    return strided(x, dims, strides, begin);
  }
  function split([x, sizes], { axis = 0, num_outputs: parts }, outputs) {
    const at = axisOf(axis, x.dims.length), own = stridesOf(x.dims), n = x.dims[at], count = parts || outputs, each_ = Math.ceil(n / count);
    let begin = 0;
    return (sizes ? list(sizes) : Array.from({ length: count }, (_, i) => Math.min(each_, n - i * each_))).map((size) => {
      const dims = x.dims.slice();
      dims[at] = size;
      const part = strided(x, dims, own, begin * own[at]);
      begin += size;
      return part;
    });
  }
  function gather([x, index], { axis = 0 }) {
    const at = axisOf(axis, x.dims.length), n = x.dims[at], rest = sizeOf(x.dims.slice(at + 1)), outer = sizeOf(x.dims.slice(0, at)), count = index.data.length;
    const out = tensor(x.kind, [...x.dims.slice(0, at), ...index.dims, ...x.dims.slice(at + 1)]);
    let place = 0;
    for (let i = 0; i < outer; i++) for (let k = 0; k < count; k++) {
      const from = (i * n + axisOf(index.data[k], n)) * rest;
      if (rest === 1) out.data[place] = x.data[from]; else out.data.set(x.data.subarray(from, from + rest), place);
      place += rest;
    }
    return out;
  }
  function gatherElements([x, index], { axis = 0 }) {
    const rank = x.dims.length, at = axisOf(axis, rank), own = stridesOf(x.dims), out = tensor(x.kind, index.dims), count = stridesOf(index.dims);
    for (let i = 0; i < index.data.length; i++) {
      let offset = axisOf(index.data[i], x.dims[at]) * own[at];
      for (let d = 0, left = i; d < rank; d++) { const k = Math.floor(left / count[d]); left -= k * count[d]; if (d !== at) offset += k * own[d]; }
      out.data[i] = x.data[offset];
    }
    return out;
  }
  function gatherND([x, index], { batch_dims: batch = 0 }) {
    const depth = index.dims[index.dims.length - 1], own = stridesOf(x.dims), lead = index.dims.slice(0, -1), rest = x.dims.slice(batch + depth), size = sizeOf(rest);
    const out = tensor(x.kind, [...lead, ...rest]), rows = sizeOf(lead), inBatch = rows / Math.max(1, sizeOf(lead.slice(0, batch))), width = sizeOf(x.dims.slice(batch));
    for (let i = 0; i < rows; i++) {
      let offset = Math.floor(i / inBatch) * width;
      for (let d = 0; d < depth; d++) offset += axisOf(index.data[i * depth + d], x.dims[batch + d]) * own[batch + d];
      out.data.set(x.data.subarray(offset, offset + size), i * size);
    }
    return out;
  }
  function pad([x, pads, value, axes], { mode = "constant" }) {
    const rank = x.dims.length, named = axes ? list(axes).map((n) => axisOf(n, rank)) : x.dims.map((_, i) => i), many = named.length, before = new Array(rank).fill(0), dims = x.dims.slice();
    if (mode !== "constant" && mode !== "edge") fail(`Pad: mode ${mode}`);
    named.forEach((axis, i) => { before[axis] = pads.data[i]; dims[axis] += pads.data[i] + pads.data[i + many]; });
    const out = tensor(x.kind, dims), own = stridesOf(x.dims), count = stridesOf(dims), fill = value ? value.data[0] : 0;
    for (let i = 0; i < out.data.length; i++) {
      let offset = 0, inside = true;
      for (let d = 0, left = i; d < rank; d++) {
        let k = Math.floor(left / count[d]);
        left -= k * count[d];
        k -= before[d];
        if (k < 0 || k >= x.dims[d]) { inside = false; k = Math.min(x.dims[d] - 1, Math.max(0, k)); }
        offset += k * own[d];
      }
      out.data[i] = inside || mode === "edge" ? x.data[offset] : fill;
    }
    return out;
  }
  function cumulative([x, given], { exclusive = 0, reverse = 0 }) {
    const at = axisOf(given.data[0], x.dims.length), n = x.dims[at], rest = sizeOf(x.dims.slice(at + 1)), outer = sizeOf(x.dims.slice(0, at)), out = tensor(x.kind, x.dims);
    for (let i = 0; i < outer; i++) for (let j = 0; j < rest; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) { const place = (i * n + (reverse ? n - 1 - k : k)) * rest + j, v = x.data[place]; out.data[place] = exclusive ? sum : sum + v; sum += v; }
    }
    return out;
  }
  function triangle([x, given], { upper = 1 }) {
    const [rows, columns] = x.dims.slice(-2), k = given ? given.data[0] : 0, out = tensor(x.kind, x.dims);
    for (let i = 0; i < x.data.length; i++) { const column = i % columns, row = Math.floor(i / columns) % rows; if (upper ? column - row >= k : column - row <= k) out.data[i] = x.data[i]; }
    return out;
  }
  function reshape([x, given], { allowzero = 0 }) {
    const dims = list(given).map((n, i) => (n === 0 && !allowzero ? x.dims[i] : n)), free = dims.indexOf(-1);
    if (free >= 0) { dims[free] = 1; dims[free] = x.data.length / sizeOf(dims); }
    if (sizeOf(dims) !== x.data.length) fail(`Reshape of [${x.dims}] to [${dims}]`);
    return { ...x, dims };
  }
  function unsqueeze([x, given], { axes }) {
    const named = given ? list(given) : axes, rank = x.dims.length + named.length, dims = new Array(rank).fill(0);
    for (const n of named) dims[axisOf(n, rank)] = 1;
    let next = 0;
    return { ...x, dims: dims.map((n) => n || x.dims[next++]) };
  }
  function squeeze([x, given], { axes }) {
    const named = given ? list(given) : axes, gone = new Set((named || []).map((n) => axisOf(n, x.dims.length)));
    return { ...x, dims: x.dims.filter((n, i) => (named ? !gone.has(i) : n !== 1)) };
  }
  function where([test, a, b]) {
    const dims = broadcastDims([test.dims, a.dims, b.dims]), out = tensor(a.kind, dims), to = out.data, t = test.data, x = a.data, y = b.data;
    walk(dims, [test, a, b].map((each_) => stridesTo(each_.dims, dims)), (place, run, [o, p, q], [s, u, v]) => { for (let i = 0; i < run; i++) to[place + i] = t[o + i * s] ? x[p + i * u] : y[q + i * v]; });
    return out;
  }
  function einsum(xs, { equation }) {
    const [left, right] = equation.replace(/\s/g, "").split("->"), terms = left.split(",");
    if (right === undefined || equation.includes(".")) fail(`Einsum: ${equation}`);
    const size = {};
    terms.forEach((term, k) => [...term].forEach((letter, i) => { if (xs[k].dims[i] !== 1 || !size[letter]) size[letter] = xs[k].dims[i]; }));
    const summed = Object.keys(size).filter((letter) => !right.includes(letter)), letters = [...right, ...summed];
    const strides = terms.map((term, k) => { const own = stridesOf(xs[k].dims); return letters.map((letter) => [...term].reduce((all, each_, i) => all + (each_ === letter && xs[k].dims[i] !== 1 ? own[i] : 0), 0)); });
    const dims = [...right].map((letter) => size[letter]), to = new Float64Array(sizeOf(dims)), share = sizeOf(summed.map((letter) => size[letter]));
    walk(letters.map((letter) => size[letter]), strides, (place, run, offsets, steps) => {
      for (let i = 0; i < run; i++) { let v = 1; for (let k = 0; k < xs.length; k++) v *= xs[k].data[offsets[k] + i * steps[k]]; to[Math.floor((place + i) / share)] += v; }
    });
    return tensor("f", dims, Float32Array.from(to));
  }
  /* One direction, one layer: time, batch, features. */
  function gru([x, weights, recurrent, bias, , initial], { hidden_size: n, linear_before_reset: late = 0, direction = "forward" }) {
    if (direction !== "forward") fail(`GRU: direction ${direction}`);
    const [steps, batch, width] = x.dims, out = tensor("f", [steps, 1, batch, n]), last = tensor("f", [1, batch, n]), b = bias ? bias.data : new Float32Array(6 * n), w = weights.data, r = recurrent.data;
    const gate = new Float64Array(3 * n), back = new Float64Array(3 * n), sigmoid = (v) => 1 / (1 + Math.exp(-v));
    if (!late) fail("GRU: linear_before_reset 0");
    for (let k = 0; k < batch; k++) {
      const h = Float64Array.from({ length: n }, (_, i) => (initial ? initial.data[k * n + i] : 0));
      for (let t = 0; t < steps; t++) {
        const from = (t * batch + k) * width;
        for (let g = 0; g < 3 * n; g++) {
          let sum = b[g], own = b[3 * n + g];
          for (let i = 0; i < width; i++) sum += w[g * width + i] * x.data[from + i];
          for (let i = 0; i < n; i++) own += r[g * n + i] * h[i];
          gate[g] = sum; back[g] = own;
        }
        for (let i = 0; i < n; i++) { const z = sigmoid(gate[i] + back[i]), reset = sigmoid(gate[n + i] + back[n + i]); h[i] = Math.fround((1 - z) * Math.tanh(gate[2 * n + i] + reset * back[2 * n + i]) + z * h[i]); out.data[(t * batch + k) * n + i] = h[i]; }
      }
      last.data.set(h, k * n);
    }
    return [out, last];
  }
  const cast = (x, kind) => {
    const out = tensor(kind, x.dims), from = x.data, to = out.data;
    for (let i = 0; i < to.length; i++) to[i] = kind === "b" ? (from[i] ? 1 : 0) : kind === "i" ? Math.trunc(from[i]) : from[i];
    return out;
  };
  const CAST = { 1: "f", 11: "f", 6: "i", 7: "i", 2: "i", 9: "b" };

  const OPERATORS = {
  Add: ([a, b]) => binary(a, b, a.kind, add),
  Sub: ([a, b]) => binary(a, b, a.kind, subtract),
  Mul: ([a, b]) => binary(a, b, a.kind, multiply),
  Div: ([a, b]) => binary(a, b, a.kind, a.kind === "i" ? each((x, y) => Math.trunc(x / y)) : divide),
  Pow: ([a, b]) => binary(a, b, a.kind, each((x, y) => (y === 2 ? x * x : y === 3 ? x * x * x : Math.pow(x, y)))),
  Mod: ([a, b], { fmod = 0 }) => binary(a, b, a.kind, each(fmod ? (x, y) => x % y : remainder)),
  Max: variadic(each(Math.max)),
  Min: variadic(each(Math.min)),
  Sum: variadic(add),
  Equal: compare((x, y) => x === y),
  Greater: compare((x, y) => x > y),
  Less: compare((x, y) => x < y),
  GreaterOrEqual: compare((x, y) => x >= y),
  LessOrEqual: compare((x, y) => x <= y),
  And: compare((x, y) => x && y),
  Or: compare((x, y) => x || y),
  Not: unary((x) => (x ? 0 : 1)),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Sqrt: unary(Math.sqrt),
  Tanh: unary(Math.tanh),
  Sinh: unary(Math.sinh),
  Cosh: unary(Math.cosh),
  Asinh: unary(Math.asinh),
  Acosh: unary(Math.acosh),
  Atanh: unary(Math.atanh),
  Sin: unary(Math.sin),
  Cos: unary(Math.cos),
  Atan: unary(Math.atan),
  Abs: unary(Math.abs),
  Neg: unary((x) => -x),
  Floor: unary(Math.floor),
  Ceil: unary(Math.ceil),
  Round: unary(halfToEven),
  Sign: unary(Math.sign),
  Reciprocal: unary((x) => 1 / x),
  Sigmoid: unary((x) => 1 / (1 + Math.exp(-x))),
  Relu: unary((x) => Math.max(0, x)),
  Softplus: unary((x) => (x > 30 ? x : Math.log1p(Math.exp(x)))),
  Identity: ([x]) => x,
  Clip: ([x, low, high]) => { const a = low ? low.data[0] : -Infinity, b = high ? high.data[0] : Infinity; return unary((v) => Math.min(b, Math.max(a, v)))([x]); },
  Cast: ([x], { to }) => cast(x, CAST[to] || fail(`Cast to type ${to}`)),
  CastLike: ([x, y]) => cast(x, y.kind),
  Shape: ([x], { start = 0, end = x.dims.length }) => whole(x.dims.slice(start, end)),
  Size: ([x]) => tensor("i", [], Float64Array.of(x.data.length)),
  ConstantOfShape: ([x], { value = 0, kind = "f" }) => { const out = tensor(kind, list(x)); out.data.fill(value); return out; },
  Range: ([start, limit, step]) => { const n = Math.max(0, Math.ceil((limit.data[0] - start.data[0]) / step.data[0])); return tensor(start.kind, [n], STORE[start.kind].from({ length: n }, (_, i) => start.data[0] + i * step.data[0])); },
  Expand: ([x, given]) => { const dims = broadcastDims([x.dims, list(given)]); return strided(x, dims, stridesTo(x.dims, dims)); },
  Reshape: reshape,
  Flatten: ([x], { axis = 1 }) => { const at = axisOf(axis, x.dims.length); return { ...x, dims: [sizeOf(x.dims.slice(0, at)), sizeOf(x.dims.slice(at))] }; },
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: ([x], { perm }) => (perm ? transposed(x, perm) : reversed(x)),
  Concat: concat,
  Slice: slice,
  Split: split,
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  Pad: pad,
  Tile: ([x, times]) => list(times).reduce((all, n, axis) => concat(Array(n).fill(all), { axis }), x),
  Trilu: triangle,
  EyeLike: ([x], { dtype, k = 0 }) => { const out = tensor(CAST[dtype] || x.kind, x.dims), [rows, columns] = x.dims; for (let i = Math.max(0, -k); i < rows && i + k < columns; i++) out.data[i * columns + i + k] = 1; return out; },
  CumSum: cumulative,
  Where: where,
  ReduceSum: reduce(0, (sum, v) => sum + v),
  ReduceMean: reduce(0, (sum, v) => sum + v, (sum, n) => sum / n),
  ReduceMax: reduce(-Infinity, Math.max),
  ReduceMin: reduce(Infinity, Math.min),
  ReduceProd: reduce(1, (all, v) => all * v),
  ReduceSumSquare: reduce(0, (sum, v) => sum + v * v),
  ReduceL2: reduce(0, (sum, v) => sum + v * v, Math.sqrt),
  MatMul: ([a, b]) => matmul(a, b),
  Gemm: ([a, b, c], { alpha = 1, beta = 1, transA = 0, transB = 0 }) => {
    let out = matmul(transA ? reversed(a) : a, transB ? reversed(b) : b);
    if (alpha !== 1) out = unary((v) => alpha * v)([out]);
    return c ? binary(out, beta === 1 ? c : unary((v) => beta * v)([c]), "f", add) : out;
  },
  Einsum: einsum,
  GRU: gru,
  };

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;

  /* A graph ready to run. What depends on weights alone is computed once; a value is let go after its last use. */
  function load(graph) {
    const fixed = new Map();
    for (const [number, kind, dims, data] of graph.tensors) fixed.set(number, tensor(kind, dims, new STORE[kind](bytes(data))));
    const left = [];
    for (const node of graph.nodes) if (node[1].every((n) => n === 0 || fixed.has(n))) evaluate(node, fixed); else left.push(node);
    const plans = new Map();
    const planOf = (names) => {
      const key = names.join();
      if (!plans.has(key)) {
        const wanted = new Set(names.map((name) => graph.outputs[name])), steps = [];
        for (const node of [...left].reverse()) if (node[2].some((n) => wanted.has(n))) { steps.push(node); node[1].forEach((n) => wanted.add(n)); }
        steps.reverse();
        const last = new Map();
        steps.forEach((node, i) => node[1].forEach((n) => last.set(n, i)));
        for (const name of names) last.delete(graph.outputs[name]);
        plans.set(key, steps.map((node, i) => [node, [...last].filter(([, at]) => at === i).map(([n]) => n)]));
      }
      return plans.get(key);
    };
    return {
      inputs: Object.keys(graph.inputs),
      outputs: Object.keys(graph.outputs),
      shapes: graph.shapes,
      run(feeds, names) {
        const values = new Map(fixed);
        for (const [name, number] of Object.entries(graph.inputs)) values.set(number, feeds[name] || fail(`the network needs '${name}'`));
        for (const [node, gone] of planOf(names)) { evaluate(node, values); for (const n of gone) values.delete(n); }
        return Object.fromEntries(names.map((name) => [name, values.get(graph.outputs[name])]));
      },
    };
  }
  function evaluate([operator, inputs, outputs, attributes], values) {
    const found = OPERATORS[operator](inputs.map((n) => (n ? values.get(n) : undefined)), attributes, outputs.length);
    if (Array.isArray(found)) outputs.forEach((n, i) => n && values.set(n, found[i])); else values.set(outputs[0], found);
  }
  return { load, floats: (dims, data) => tensor("f", dims, Float32Array.from(data)) };
})();
