// The objects being read, a row each. One row is in the tab order; arrows move it.

import { bytes, duration, percent, place, rate } from "./format.js";
import { attribute, element, text } from "./page.js";
import { Strip, describe } from "./strip.js";

const READERS = 3; // named below a strip

// Where the strip of an object ends: of an unknown length nothing can be placed.
export function extent(object) {
  return object.length ?? 0;
}

export function readerText(reader, length) {
  return reader.waiting === null
    ? `${reader.client} at ${place(reader.at, length)}, ${rate(reader.rate)}`
    : `${reader.client} waits at ${place(reader.waiting[0], length)} for ${duration(reader.waited_ms)}`;
}

class Row {
  constructor(open) {
    this.node = element("li", "row");
    const head = element("div", "row-head");
    this.button = element("button", "name");
    this.button.type = "button";
    this.button.tabIndex = -1;
    this.folder = element("span", "folder");
    this.file = element("span", "file");
    this.button.append(this.folder, this.file);
    this.state = element("span", "state");
    this.share = element("span", "share");
    head.append(this.button, this.state, this.share);
    this.about = element("p", "about");
    this.canvas = element("canvas", "strip");
    this.canvas.setAttribute("role", "img");
    this.readers = element("ul", "readers");
    this.node.append(head, this.about, this.canvas, this.readers);
    this.strip = new Strip(this.canvas);
    this.seen = false;
    this.node.addEventListener("click", () => open(this.object.id));
  }

  show(object, now) {
    this.object = object;
    const length = extent(object);
    const slash = object.url.lastIndexOf("/", object.url.length - 2) + 1;
    text(this.folder, object.url.slice(0, slash));
    text(this.file, object.url.slice(slash));
    attribute(this.node, "data-state", object.state);
    text(this.state, object.state);
    text(this.share, object.length === null ? bytes(object.present) : percent(object.present, object.length));
    const about = [object.type, object.length === null ? "length not known" : bytes(object.length)];
    if (object.rate > 0) {
      about.push(`${rate(object.rate)} from the origin`);
    }
    if (object.state === "failed" && object.error) {
      about.push(object.error);
    }
    text(this.about, about.filter(Boolean).join(" · "));
    attribute(this.canvas, "aria-label", describe(object, length));
    this.strip.show(object.strip, object.readers, 0, length, now);
    this.showReaders(object, length);
  }

  showReaders(object, length) {
    const lines = object.readers.slice(0, READERS).map((reader) => [readerText(reader, length), reader.waiting !== null]);
    if (object.readers.length > READERS) {
      lines.push([`and ${object.readers.length - READERS} more`, null]);
    }
    while (this.readers.children.length > lines.length) {
      this.readers.lastElementChild.remove();
    }
    lines.forEach(([value, waits], i) => {
      const line = this.readers.children[i] ?? this.readers.appendChild(element("li"));
      text(line, value);
      attribute(line, "class", waits === null ? "others" : waits ? "waits" : "reads");
    });
  }
}

export class List {
  constructor(node, open) {
    this.node = node;
    this.open = open;
    this.rows = new Map(); // by id, in the order in which they came
    this.current = null; // id of the row in the tab order
    this.sizes = new ResizeObserver((entries) => {
      for (const { target, contentRect } of entries) {
        this.rowOf(target)?.strip.resize(contentRect.width, contentRect.height);
      }
      this.onNeed?.();
    });
    this.sight = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const row = this.rowOf(target);
        if (row) {
          row.seen = isIntersecting;
        }
      }
      this.onNeed?.();
    });
    node.addEventListener("keydown", (event) => this.key(event));
    node.addEventListener("focusin", (event) => this.choose(event.target.closest(".row")?.dataset.id));
  }

  rowOf(node) {
    return this.rows.get(node.closest(".row")?.dataset.id);
  }

  show(objects, now) {
    const present = new Set(objects.map((object) => object.id));
    const order = [...this.rows.keys()];
    for (const [id, row] of this.rows) {
      if (!present.has(id)) {
        this.remove(id, row, order, present);
      }
    }
    for (const object of objects) {
      let row = this.rows.get(object.id);
      if (!row) {
        row = new Row(this.open);
        row.node.dataset.id = object.id;
        this.rows.set(object.id, row);
        this.node.append(row.node);
        this.sizes.observe(row.canvas);
        this.sight.observe(row.canvas);
      }
      row.show(object, now);
    }
    if (!this.rows.has(this.current)) {
      this.choose(this.rows.keys().next().value);
    }
  }

  // The focus goes to the row that was behind it, not to the top of the page.
  remove(id, row, order, present) {
    const focused = row.node.contains(document.activeElement);
    this.sizes.unobserve(row.canvas);
    this.sight.unobserve(row.canvas);
    row.node.remove();
    this.rows.delete(id);
    if (focused) {
      const at = order.indexOf(id);
      const next = [...order.slice(at + 1), ...order.slice(0, at).reverse()].find((other) => present.has(other));
      if (next) {
        this.rows.get(next).button.focus();
      } else {
        this.node.closest("section").focus();
      }
    }
  }

  choose(id) {
    if (id !== this.current) {
      this.rows.get(this.current)?.button.setAttribute("tabindex", "-1");
    }
    this.current = id ?? null;
    this.rows.get(this.current)?.button.setAttribute("tabindex", "0");
  }

  key(event) {
    const ids = [...this.rows.keys()];
    const at = ids.indexOf(this.current);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: ids.length - 1 }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    event.preventDefault();
    this.rows.get(ids[Math.min(ids.length - 1, Math.max(0, to))])?.button.focus();
  }

  get(id) {
    return this.rows.get(id)?.object;
  }

  focus(id) {
    (this.rows.get(id) ?? this.rows.get(this.current))?.button.focus();
  }

  paint(now) {
    let more = false;
    for (const row of this.rows.values()) {
      more = (row.seen && row.strip.paint(now)) || more;
    }
    return more;
  }
}
