// One object, down to its blocks. Asked for again when an event shows that it has changed, one request at a time.

import { bytes, count, duration, percent, place, rate } from "./format.js";
import { extent } from "./list.js";
import { $, attribute, element, table, text } from "./page.js";
import { Strip, describe } from "./strip.js";
import { View } from "./view.js";

const PAUSE = 200; // ms between two requests
const ROWS = 200; // of each table

export class Detail {
  // closed(id): the focus is to go back there.
  constructor(closed, need) {
    this.dialog = $("detail");
    this.view = new View();
    this.overview = new Strip($("overview"));
    this.window = new Strip($("window"));
    this.need = need;
    this.id = null;
    this.dialog.addEventListener("close", () => {
      const { id } = this;
      this.id = null;
      clearTimeout(this.timer);
      this.abort?.abort();
      this.asking = false;
      history.replaceState(null, "", location.pathname);
      closed(id);
    });
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    $("detail-close").addEventListener("click", () => this.dialog.close());
    const sizes = new ResizeObserver((entries) => {
      for (const { target, contentRect } of entries) {
        (target === this.overview.canvas ? this.overview : this.window).resize(contentRect.width, contentRect.height);
      }
      this.moved(true);
    });
    sizes.observe(this.overview.canvas);
    sizes.observe(this.window.canvas);
    this.listen();
  }

  listen() {
    const { view } = this;
    const acts = {
      "zoom-in": () => view.centre(this.point(), view.span / 2),
      "zoom-out": () => view.zoom(2),
      "pan-left": () => view.pan(-0.5),
      "pan-right": () => view.pan(0.5),
      "zoom-all": () => view.showAll(),
    };
    for (const [id, act] of Object.entries(acts)) {
      $(id).addEventListener("click", () => this.moved(act()));
    }
    const keys = {
      "+": acts["zoom-in"],
      "=": acts["zoom-in"],
      "-": acts["zoom-out"],
      "0": acts["zoom-all"],
      ArrowLeft: () => view.pan(-0.1),
      ArrowRight: () => view.pan(0.1),
      ArrowDown: () => view.pan(-0.1),
      ArrowUp: () => view.pan(0.1),
      PageDown: () => view.pan(-1),
      PageUp: () => view.pan(1),
      Home: () => view.toStart(),
      End: () => view.toEnd(),
    };
    this.dialog.addEventListener("keydown", (event) => {
      // Zoom keys work all over the dialog, those that move only where they have no other use.
      const own = event.target === this.window.canvas || "+=-0".includes(event.key);
      if (own && keys[event.key] && !event.altKey && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        this.moved(keys[event.key]());
      }
    });
    this.pointer(this.window.canvas);
    this.overview.canvas.addEventListener("pointerdown", (event) => {
      const share = event.offsetX / this.overview.width;
      this.moved(view.set(share * view.blocks - view.span / 2, view.span));
    });
  }

  // Where in what is seen, 0 to 1, something happens: what a reader waits for, a reader, what arrives; of several what
  // is nearest to the middle.
  point() {
    const { view } = this;
    const shares = (offsets) => offsets.map((at) => (at - view.from) / (view.to - view.from)).filter((share) => share >= 0 && share < 1);
    const readers = this.object?.readers ?? [];
    const { strip } = this.window;
    const kinds = [
      shares(readers.filter((reader) => reader.waiting).map((reader) => reader.waiting[0])),
      shares(readers.map((reader) => reader.at)),
      [...strip].flatMap((kind, i) => (kind === ">" ? [i / strip.length] : [])),
      [0.5],
    ];
    const found = kinds.find((kind) => kind.length > 0);
    return found.reduce((best, share) => (Math.abs(share - 0.5) < Math.abs(best - 0.5) ? share : best));
  }

  pointer(canvas) {
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
        this.moved(
          sideways
            ? this.view.pan(event.deltaX / this.window.width)
            : this.view.zoom(Math.exp(Math.sign(event.deltaY) * Math.min(0.5, Math.abs(event.deltaY) / 200)), event.offsetX / this.window.width),
        );
      },
      { passive: false },
    );
    let held = null; // where it was taken hold of
    canvas.addEventListener("pointerdown", (event) => {
      held = { x: event.clientX, first: this.view.from / this.view.block };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (held) {
        const blocks = ((held.x - event.clientX) / this.window.width) * this.view.span;
        this.moved(this.view.set(held.first + blocks, this.view.span));
      }
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => (held = null));
    }
  }

  open(id, object) {
    this.id = id;
    this.object = null;
    this.seen = "";
    this.known = 0;
    history.replaceState(null, "", `#/${id}`);
    text($("detail-title"), object?.url ?? id);
    $("detail-problem").hidden = true;
    this.dialog.showModal();
    this.window.canvas.focus();
    this.ask();
  }

  // What an event says of it, if it does.
  update(object) {
    if (this.id === null || !object) {
      return;
    }
    const seen = JSON.stringify(object);
    if (seen !== this.seen) {
      this.seen = seen;
      this.ask();
    }
  }

  moved(has) {
    if (has && this.object) {
      this.showWindow(performance.now());
      this.ask();
    }
  }

  // Now, or when the one under way has come and a pause is over.
  ask() {
    this.wanted = true;
    if (this.asking || this.id === null) {
      return;
    }
    this.asking = true;
    this.wanted = false;
    const abort = new AbortController();
    this.abort = abort;
    this.fetch(this.id, abort.signal)
      .catch((error) => {
        if (!abort.signal.aborted) {
          this.problem(error.message);
        }
      })
      .finally(() => {
        if (this.abort !== abort || abort.signal.aborted) {
          return;
        }
        this.timer = setTimeout(() => {
          this.asking = false;
          if (this.wanted) {
            this.ask();
          }
        }, PAUSE);
      });
  }

  async fetch(id, signal) {
    const { view } = this;
    const most = Math.max(32, Math.min(1024, Math.floor(this.window.canvas.clientWidth / 3)));
    const begin = view.from;
    const end = view.to;
    const part = end > begin ? `&from=${begin}&to=${end}&cells=${view.cells(most)}` : `&cells=${most}`;
    const asked = [this.get(id, part, signal)];
    if (end > begin && !view.all) {
      asked.push(this.get(id, `&cells=${most}`, signal));
    }
    const [object, whole] = await Promise.all(asked);
    $("detail-problem").hidden = true;
    this.object = object;
    const length = extent(object);
    const fresh = length !== this.known;
    if (fresh) {
      this.known = length;
      view.reset(length, object.block_bytes);
    }
    const now = performance.now();
    this.overview.show((whole ?? object).strip, object.readers, 0, length, now);
    this.shown = fresh ? [0, length] : [begin, end];
    this.window.show(object.strip, object.readers, this.shown[0], this.shown[1], now);
    this.window.single = object.strip.length >= (this.shown[1] - this.shown[0]) / object.block_bytes;
    this.showFacts(object);
    this.showWindow(now);
    this.showTables(object, length);
    if (fresh && view.cells(most) !== object.strip.length) {
      this.wanted = true; // a cell for each block, now that it is known how large they are
    }
  }

  async get(id, query, signal) {
    const answer = await fetch(`api/objects/${id}?${query.slice(1)}`, { signal, cache: "no-store" });
    if (answer.status === 404) {
      throw new Error("It is no longer in the store.");
    }
    if (!answer.ok) {
      throw new Error(`The server answered ${answer.status}.`);
    }
    return answer.json();
  }

  problem(what) {
    text($("detail-problem"), what);
    $("detail-problem").hidden = false;
  }

  showFacts(object) {
    text($("detail-title"), object.url);
    const facts = [
      ["Entry", object.name],
      ["State", object.error ? `${object.state}: ${object.error}` : object.state],
      ["Type", object.type || "not told"],
      ["Length", object.length === null ? "not known" : `${bytes(object.length)} (${count(object.length)} B)`],
      ["Present", `${bytes(object.present)}${object.length === null ? "" : `, ${percent(object.present, object.length)}`}`],
      ["From the origin", object.rate > 0 ? rate(object.rate) : "nothing now"],
      ["Block", bytes(object.block_bytes)],
      ["Version", object.validator || "none told"],
    ];
    const list = $("detail-facts");
    facts.forEach(([name, value], i) => {
      const pair = list.children[i] ?? list.appendChild(element("div"));
      if (!pair.firstChild) {
        pair.append(element("dt", "", name), element("dd"));
      }
      text(pair.lastChild, value);
    });
  }

  showWindow(now) {
    const { view, object, window } = this;
    const length = extent(object);
    // Until the answer comes, what is known of the part that is looked at stays in its place.
    if (this.shown && (this.shown[0] !== view.from || this.shown[1] !== view.to)) {
      window.show(slice(this.overview.strip, view, length), object.readers, view.from, view.to, now);
      window.single = false;
      this.shown = [view.from, view.to];
    }
    this.overview.frame = view.all ? null : [view.from, view.to];
    const blocks = view.span;
    const cells = window.strip.length;
    const closest = cells >= blocks;
    const where = length
      ? `${bytes(view.from)} to ${bytes(view.to)}, ${count(blocks)} ${blocks === 1 ? "block" : "blocks"}`
      : "Its length is not known yet";
    const cell = length && !closest ? `, a cell for ${(blocks / cells).toFixed(1)}` : "";
    text($("window-text"), `${where}${cell}`);
    const { canvas } = window;
    attribute(canvas, "aria-valuemin", "0");
    attribute(canvas, "aria-valuemax", String(length));
    attribute(canvas, "aria-valuenow", String(view.from));
    attribute(canvas, "aria-valuetext", `${where}: ${inWords(window.strip)}`);
    attribute(this.overview.canvas, "aria-label", describe({ ...object, strip: this.overview.strip }, length));
    this.need();
  }

  showTables(object, length) {
    const readers = object.readers.slice(0, ROWS).map((reader) => [
      reader.client,
      place(reader.at, length),
      span(reader.range),
      reader.waiting ? span(reader.waiting) : "–",
      reader.waiting ? duration(reader.waited_ms) : "–",
      rate(reader.rate),
    ]);
    table($("readers"), readers.length ? readers : [["nobody reads it", "", "", "", "", ""]], [1, 4, 5]);
    const others = object.readers.length - readers.length;
    $("readers-more").hidden = others === 0;
    text($("readers-more"), `and ${count(others)} more`);
    const { ranges } = object;
    const rows = ranges.slice(0, ROWS).map(([b, e]) => [count(b), count(e), bytes(e - b)]);
    table($("ranges"), rows.length ? rows : [["nothing", "", ""]], [0, 1, 2]);
    const more = $("ranges-more");
    more.hidden = ranges.length <= ROWS && !object.truncated;
    text(more, `The first ${ROWS} of ${object.truncated ? "more than " : ""}${count(ranges.length)}.`);
  }

  paint(now) {
    if (this.id === null || !this.object) {
      return false;
    }
    const fading = this.overview.paint(now);
    return this.window.paint(now) || fading;
  }
}

// While the length is not known a range may have no end.
function span([begin, end]) {
  return `${count(begin)} to ${end === null ? "the end" : count(end)}`;
}

// The part of a strip of the whole that a view shows: coarse, until a finer one has come.
function slice(strip, view, length) {
  const per = strip.length / (length || 1);
  return strip.slice(Math.floor(view.from * per), Math.max(Math.ceil(view.to * per), Math.floor(view.from * per) + 1));
}

function inWords(strip) {
  const words = { "#": "present", "+": "partly present", ">": "arriving", ".": "missing", x: "evicted", "?": "not known" };
  return Object.entries(words)
    .map(([kind, word]) => [[...strip].filter((each) => each === kind).length, word])
    .filter(([number]) => number > 0)
    .map(([number, word]) => `${percent(number, strip.length)} ${word}`)
    .join(", ");
}
