// A server that speaks the contract of docs/openapi.yaml as far as the page uses it, and says what a test tells it to.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";

const TYPES = { ".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml" };
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
export const MIB = 1 << 20;

export class MockServer {
  // `files`: the page's folder.
  constructor(files) {
    this.files = files;
    this.state = state([]);
    this.details = new Map(); // by id: (from, to, cells) -> OBJECT with ranges
    this.listeners = new Set();
    this.asked = []; // urls
    this.counter = 0;
    this.server = http.createServer((request, response) => this.answer(request, response));
  }

  async listen(port = 0) {
    await new Promise((done) => this.server.listen(port, "127.0.0.1", done));
    this.port = this.server.address().port;
    this.url = `http://127.0.0.1:${this.port}/-/`;
  }

  // Ends what is open, too.
  async close() {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  // Until this has been asked for.
  async untilAsked(url) {
    while (!this.asked.includes(url)) {
      await once(this.server, "request");
    }
  }

  // Until none of those who listen to the events now does any more.
  async untilDeaf() {
    await Promise.all([...this.listeners].map((response) => once(response, "close")));
  }

  say(next) {
    this.state = next;
    for (const response of this.listeners) {
      this.send(response);
    }
  }

  send(response) {
    response.write(`id: ${++this.counter}\nevent: state\ndata: ${JSON.stringify(this.state)}\n\n`);
  }

  async answer(request, response) {
    const url = new URL(request.url, "http://127.0.0.1");
    this.asked.push(request.url);
    const name = url.pathname.replace(/^\/-\//, "");
    if (name === "api/events") {
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      this.send(response);
      this.listeners.add(response);
      response.on("close", () => this.listeners.delete(response));
      return;
    }
    const id = name.match(/^api\/objects\/(.*)$/)?.[1];
    if (id) {
      const detail = this.details.get(id);
      if (!detail) {
        response.writeHead(404).end();
        return;
      }
      const number = (key, otherwise) => Number(url.searchParams.get(key) ?? otherwise);
      const whole = detail(0, Infinity, 1);
      const body = detail(number("from", 0), number("to", whole.length), number("cells", 320));
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
      return;
    }
    const file = path.join(this.files, path.basename(name) || "index.html");
    try {
      const content = await readFile(file);
      response.writeHead(200, { "content-type": TYPES[path.extname(file)], "content-security-policy": POLICY }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  }
}

// A strip of [from, to) of what has these ranges.
export function strip(length, ranges, { from = 0, to = length, cells = 320, arriving = [], evicted = [] } = {}) {
  let made = "";
  for (let i = 0; i < cells; ++i) {
    const b = from + ((to - from) * i) / cells;
    const e = from + ((to - from) * (i + 1)) / cells;
    const covered = ranges.reduce((sum, [rb, re]) => sum + Math.max(0, Math.min(e, re) - Math.max(b, rb)), 0);
    const meets = (others) => others.some(([rb, re]) => rb < e && re > b);
    made += covered >= e - b - 1 ? "#" : meets(arriving) ? ">" : covered > 0 ? "+" : meets(evicted) ? "x" : ".";
  }
  return made;
}

export function id(number) {
  return number.toString(16).padStart(16, "0");
}

export function object(number, url, { length = 256 * MIB, ranges = [], arriving = [], evicted = [], ...rest } = {}) {
  const present = ranges.reduce((sum, [b, e]) => sum + e - b, 0);
  return {
    id: id(number),
    name: `https://origin.example${url}`,
    url,
    type: "video/mp4",
    length,
    present,
    validator: '"5f3a-18c"',
    state: length !== null && present >= length ? "whole" : arriving.length ? "arriving" : "partial",
    rate: arriving.length ? 12.4 * MIB : 0,
    strip: length === null ? "?".repeat(320) : strip(length, ranges, { arriving, evicted }),
    readers: [],
    ...rest,
  };
}

export function reader(number, at, range, waiting = null) {
  return { id: number, client: `127.0.0.1:${40000 + number}`, at, range, waiting, waited_ms: waiting ? 74 : 0, rate: waiting ? 0 : 8.2 * MIB };
}

export function state(objects, rest = {}) {
  return {
    time_ms: Date.now(),
    uptime_s: 5025,
    connections: 12,
    waiters: objects.flatMap((each) => each.readers).filter((each) => each.waiting).length,
    rate_out: objects.length ? 41.8 * MIB : 0,
    rate_in: objects.length ? 12.4 * MIB : 0,
    totals: { requests: 1823, hit_bytes: 9.1e9, miss_bytes: 1.3e9, origin_bytes: 2.2e9, sent_bytes: 10.4e9, evicted_bytes: 3e8, errors: 2 },
    store: { used_bytes: 6.4 * 1024 * MIB, max_bytes: 10 * 1024 * MIB },
    objects,
    more: 0,
    ...rest,
  };
}
