// Strips: what of an object is here, by cells, and where its readers are. Kinds differ by shape as well as by colour.

import { many, percent, place } from "./format.js";

const FADE = 900; // ms in which what has just arrived takes on the colour of the rest
const LANE = 10; // px above the cells for the readers, and below for what they wait for: half of that

export const KINDS = [
  ["#", "present"],
  ["+", "partly"],
  [">", "arriving"],
  [".", "missing"],
  ["x", "evicted"],
  ["?", "length unknown"],
];

let colours = {};
let patterns = {};
const still = matchMedia("(prefers-reduced-motion: reduce)");

// Reads the colours of the style sheet: again when the scheme changes.
export function readColours() {
  const style = getComputedStyle(document.documentElement);
  colours = Object.fromEntries(
    ["ink", "fill", "soft", "line", "hair", "accent", "tint"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
  );
  patterns = {};
}

function hatch(context, scale) {
  const key = `${scale}`;
  if (!patterns[key]) {
    const size = Math.round(6 * scale);
    const tile = new OffscreenCanvas(size, size);
    const ink = tile.getContext("2d");
    ink.fillStyle = colours.tint;
    ink.fillRect(0, 0, size, size);
    ink.strokeStyle = colours.accent;
    ink.lineWidth = 1.8 * scale;
    for (const shift of [-size, 0, size]) {
      ink.beginPath();
      ink.moveTo(shift - 1, size + 1);
      ink.lineTo(shift + size + 1, -1);
      ink.stroke();
    }
    patterns[key] = context.createPattern(tile, "repeat");
  }
  return patterns[key];
}

function triangle(context, x, tip, size, hollow) {
  context.beginPath();
  context.moveTo(x - size, tip - 1.5 * size);
  context.lineTo(x + size, tip - 1.5 * size);
  context.lineTo(x, tip);
  context.closePath();
  if (hollow) {
    context.stroke();
  } else {
    context.fill();
  }
}

export class Strip {
  // `lanes`: with room for readers.
  constructor(canvas, { lanes = true } = {}) {
    this.canvas = canvas;
    this.lanes = lanes;
    this.width = 0;
    this.height = 0;
    this.strip = "";
    this.extent = "";
    this.readers = [];
    this.from = 0;
    this.to = 0;
    this.since = [];
    this.single = false; // each cell is a block, and seen as one
    this.frame = null; // [b, e) marked on it: what another strip shows
  }

  // In CSS pixels: from a ResizeObserver, so that painting asks for no layout.
  resize(width, height) {
    this.width = width;
    this.height = height;
  }

  show(strip, readers, from, to, now) {
    const extent = `${from}-${to}-${strip.length}`;
    if (extent !== this.extent) {
      this.extent = extent;
      this.since = [];
    } else if (!still.matches) {
      for (let i = 0; i < strip.length; ++i) {
        if (strip[i] !== this.strip[i] && (strip[i] === "#" || strip[i] === "+")) {
          this.since[i] = now;
        }
      }
    }
    Object.assign(this, { strip, readers, from, to });
  }

  // Is there more to come of itself?
  paint(now) {
    const scale = devicePixelRatio || 1;
    const width = Math.round(this.width * scale);
    const height = Math.round(this.height * scale);
    if (!width || !height) {
      return false;
    }
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    const lane = this.lanes ? Math.round(LANE * scale) : 0;
    const area = { context, scale, width, top: lane, height: height - lane - Math.round(lane / 2) };
    const fading = this.cells(area, now);
    if (this.frame && this.to > this.from) {
      context.strokeStyle = colours.ink;
      context.lineWidth = 2 * scale;
      const [b, e] = this.frame.map((offset) => this.x(offset, width));
      context.strokeRect(Math.max(scale, b), area.top + scale, Math.max(3 * scale, Math.min(width - scale, e) - b), area.height - 2 * scale);
    }
    if (this.lanes) {
      this.marks(area);
    }
    return fading;
  }

  x(offset, width) {
    return ((offset - this.from) / (this.to - this.from)) * width;
  }

  cells(area, now) {
    const { context, scale, width } = area;
    const count = this.strip.length;
    const step = width / (count || 1);
    const gap = this.single && step >= 5 * scale ? Math.max(1, Math.round(scale)) : 0;
    let fading = false;
    for (let begin = 0; begin < count; ) {
      let end = begin + 1;
      while (!gap && end < count && this.strip[end] === this.strip[begin]) {
        ++end;
      }
      const left = Math.round(begin * step);
      this.cell(area, this.strip[begin], left, Math.max(1, Math.round(end * step) - left - gap), gap);
      begin = end;
    }
    this.since.forEach((time, i) => {
      const left = 1 - (now - time) / FADE;
      if (left > 0) {
        fading = true;
        context.globalAlpha = left;
        context.fillStyle = colours.accent;
        const x = Math.round(i * step);
        context.fillRect(x, area.top, Math.max(1, Math.round((i + 1) * step) - x - gap), area.height);
      } else {
        delete this.since[i];
      }
    });
    context.globalAlpha = 1;
    return fading;
  }

  cell({ context, scale, top, height }, kind, x, width, single) {
    const bottom = top + height;
    const line = Math.max(1, Math.round(scale));
    context.fillStyle = colours.fill;
    switch (kind) {
      case "#":
        context.fillRect(x, top, width, height);
        break;
      case "+": {
        const half = Math.round(height * 0.45);
        context.fillRect(x, bottom - half, width, half);
        break;
      }
      case ">":
        context.fillStyle = hatch(context, scale);
        context.fillRect(x, top, width, height);
        context.fillStyle = colours.accent;
        context.fillRect(x, top, width, 2 * line);
        context.fillRect(x, bottom - 2 * line, width, 2 * line);
        break;
      case "x": {
        context.fillStyle = colours.soft;
        const pitch = Math.round(4 * scale);
        const first = Math.ceil(x / pitch) * pitch;
        for (let at = first; at < x + width; at += pitch) {
          context.fillRect(at, top + Math.round(height * 0.3), line, Math.round(height * 0.4));
        }
        context.fillStyle = colours.line;
        context.fillRect(x, bottom - line, width, line);
        break;
      }
      case "?": {
        context.fillStyle = colours.soft;
        const pitch = Math.round(8 * scale);
        const middle = top + Math.round(height / 2);
        for (let at = Math.ceil(x / pitch) * pitch; at < x + width; at += pitch) {
          context.fillRect(at, middle, Math.min(pitch / 2, x + width - at), line);
        }
        break;
      }
      default: // missing: only the ground line, and of a block the frame of what is to come
        if (single) {
          context.fillStyle = colours.hair;
          context.fillRect(x, top, width, height);
          context.clearRect(x + line, top + line, width - 2 * line, height - 2 * line);
        }
        context.fillStyle = colours.line;
        context.fillRect(x, bottom - line, width, line);
    }
  }

  marks({ context, scale, width, top, height }) {
    if (this.to <= this.from) {
      return;
    }
    const size = 4.5 * scale;
    const drawn = new Set();
    context.lineWidth = 1.5 * scale;
    for (const reader of this.readers) {
      const waits = reader.waiting !== null;
      const offset = waits ? reader.waiting[0] : reader.at;
      const x = Math.min(width - size, Math.max(size, this.x(offset, width)));
      const key = `${Math.round(x)}${waits}`;
      if (offset < this.from || offset > this.to || drawn.has(key)) {
        continue;
      }
      drawn.add(key);
      context.fillStyle = context.strokeStyle = colours.accent;
      triangle(context, x, top - scale, size, waits);
      if (waits) {
        const begin = Math.max(0, this.x(reader.waiting[0], width));
        const end = Math.min(width, this.x(reader.waiting[1], width));
        context.fillRect(begin, top + height + 2 * scale, Math.max(3 * scale, end - begin), 2 * scale);
      }
    }
  }
}

// The same in words: "42 % present, arriving at 61.0 %".
export function describe(object, length) {
  const parts = [`${object.length === null ? "an unknown part" : percent(object.present, object.length)} present`];
  const { strip } = object;
  const arriving = [];
  for (let i = 0; i < strip.length; ++i) {
    if (strip[i] === ">" && strip[i - 1] !== ">") {
      arriving.push(place((i * length) / strip.length, length));
    }
  }
  if (arriving.length > 0) {
    parts.push(`arriving at ${arriving.slice(0, 3).join(", ")}${arriving.length > 3 ? " and more" : ""}`);
  }
  const evicted = [...strip].filter((kind) => kind === "x").length;
  if (evicted > 0) {
    parts.push(`${percent(evicted, strip.length)} evicted`);
  }
  if (object.readers.length > 0) {
    const waiting = object.readers.filter((reader) => reader.waiting !== null).length;
    parts.push(many(object.readers.length, "reader", "readers") + (waiting > 0 ? `, ${waiting} waiting` : ""));
  }
  return parts.join(", ");
}
