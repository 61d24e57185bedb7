// The figures at the top, and the last minute of the two rates.

import { bytes, count, duration, many, percent, rate } from "./format.js";
import { $, attribute, text } from "./page.js";

const MINUTE = 60000;

class Trace {
  constructor(canvas) {
    this.canvas = canvas;
    this.points = []; // [time, value], a value holds until the next
  }

  add(time, value) {
    const last = this.points.at(-1);
    if (!last || time > last[0]) {
      this.points.push([time, value]);
    }
    while (this.points.length > 1 && this.points[1][0] < time - MINUTE) {
      this.points.shift();
    }
  }

  // `end`: the time at the right edge.
  paint(end, colour, ground) {
    const scale = devicePixelRatio || 1;
    const width = Math.round(this.canvas.clientWidth * scale);
    const height = Math.round(this.canvas.clientHeight * scale);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    context.fillStyle = ground;
    context.fillRect(0, height - scale, width, scale);
    const highest = Math.max(1, ...this.points.map(([, value]) => value));
    const x = (time) => width * (1 - (end - time) / MINUTE);
    const y = (value) => height - scale - (value / highest) * (height - 3 * scale);
    context.beginPath();
    let [time, value] = this.points[0];
    context.moveTo(Math.max(0, x(time)), y(value));
    for ([time, value] of this.points.slice(1)) {
      context.lineTo(x(time), y(value));
    }
    context.lineTo(width, y(value));
    context.strokeStyle = colour;
    context.lineWidth = 1.5 * scale;
    context.lineJoin = "round";
    context.stroke();
    context.lineTo(width, height);
    context.lineTo(Math.max(0, x(this.points[0][0])), height);
    context.closePath();
    context.globalAlpha = 0.12;
    context.fillStyle = colour;
    context.fill();
    context.globalAlpha = 1;
    attribute(this.canvas, "aria-label", `The last minute: at most ${rate(highest > 1 ? highest : 0)}`);
  }

  get flat() {
    return this.points.every(([, value]) => value === 0);
  }
}

export class Summary {
  constructor() {
    this.out = new Trace($("trace-out"));
    this.in = new Trace($("trace-in"));
  }

  // `now` on this machine's clock: the server's may be another, and only spans count.
  add(state, now) {
    this.out.add(now, state.rate_out);
    this.in.add(now, state.rate_in);
  }

  show(state) {
    const { totals, store } = state;
    text($("rate-out"), rate(state.rate_out));
    text($("rate-in"), rate(state.rate_in));
    const asked = totals.hit_bytes + totals.miss_bytes;
    text($("hits"), asked ? percent(totals.hit_bytes, asked) : "–");
    text($("hits-note"), `${bytes(totals.hit_bytes)} of ${bytes(asked)}`);
    text($("saved"), bytes(Math.max(0, totals.sent_bytes - totals.origin_bytes)));
    text($("saved-note"), `sent ${bytes(totals.sent_bytes)}, fetched ${bytes(totals.origin_bytes)}`);
    text($("store"), bytes(store.used_bytes));
    const bounded = store.max_bytes !== null;
    text($("store-note"), bounded ? `of ${bytes(store.max_bytes)}` : "no limit");
    const meter = $("store-meter");
    meter.hidden = !bounded;
    if (bounded) {
      const full = store.max_bytes ? Math.min(100, (100 * store.used_bytes) / store.max_bytes) : 100;
      attribute(meter, "aria-valuenow", full.toFixed(0));
      meter.firstElementChild.style.width = `${full.toFixed(1)}%`;
    }
    text($("connections"), count(state.connections));
    const waiting = state.waiters ? `${count(state.waiters)} waiting` : "none waiting";
    text($("connections-note"), `${waiting}, ${many(totals.requests, "request", "requests")} in ${duration(1000 * state.uptime_s)}`);
  }

  paint(now) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    this.out.paint(now, colour("fill"), colour("line"));
    this.in.paint(now, colour("accent"), colour("line"));
  }

  get flat() {
    return this.out.flat && this.in.flat;
  }
}
