// What comes from the server is shown at the next frame, the latest of it only.

import { Detail } from "./detail.js";
import { Events } from "./events.js";
import { count, many, rate } from "./format.js";
import { List } from "./list.js";
import { $, element, text } from "./page.js";
import { KINDS, Strip, readColours } from "./strip.js";
import { Summary } from "./summary.js";

const SPEAK = 15000; // ms between two sentences of what is going on
const narrow = matchMedia("(max-width: 40rem)");

let state = null; // not yet shown
let latest = null;
let link = "connecting";
let heard = null; // when a state last came
let asked = false;
let spoken = 0;

const summary = new Summary();
const detail = new Detail((id) => list.focus(id), need);
const list = new List($("list"), (id) => detail.open(id, list.get(id)));
list.onNeed = need;

function need() {
  if (!asked) {
    asked = true;
    requestAnimationFrame(frame);
  }
}

function frame(now) {
  asked = false;
  if (state) {
    show(state, now);
    state = null;
  }
  const clock = Date.now();
  if (latest) {
    summary.paint(link === "live" ? clock : heard);
  }
  const fading = list.paint(now);
  if (detail.paint(now) || fading) {
    need();
  }
}

function show(shown, now) {
  summary.show(shown);
  list.show(shown.objects, now);
  detail.update(shown.objects.find((object) => object.id === detail.id));
  text($("objects-count"), shown.objects.length ? count(shown.objects.length + shown.more) : "");
  $("empty").hidden = shown.objects.length > 0;
  $("keys").hidden = shown.objects.length === 0;
  $("more").hidden = shown.more === 0;
  text($("more"), `and ${count(shown.more)} more`);
  document.title = shown.rate_out > 0 ? `${rate(shown.rate_out)} · Strandline` : "Strandline";
  if (clockOf(now) - spoken >= SPEAK) {
    spoken = clockOf(now);
    const waits = shown.waiters ? `, ${many(shown.waiters, "reader waits", "readers wait")}` : "";
    text($("spoken"), `${many(shown.objects.length + shown.more, "object is", "objects are")} being read, ${rate(shown.rate_out)} to clients${waits}.`);
  }
}

// Frames begin at 0 when the page does, and the first sentence is due then.
function clockOf(now) {
  return now + SPEAK;
}

function onState(next) {
  state = latest = next;
  heard = Date.now();
  summary.add(next, heard);
  need();
}

function onLink(next, why) {
  const before = link;
  link = next;
  document.documentElement.dataset.link = next;
  $("link").dataset.link = next;
  text($("link-text"), { connecting: "Connecting", live: "Live", gone: "No server" }[next]);
  const gone = $("gone");
  if (next === "gone" && before !== "gone") {
    const last = heard ? ` What is shown is of ${new Date(heard).toLocaleTimeString("en-GB")}.` : "";
    text(gone, `The server does not answer (${why}). Trying again.${last}`);
    gone.hidden = false;
  } else if (next === "live") {
    gone.hidden = true;
    if (before === "gone") {
      text($("spoken"), "The server answers again.");
      detail.ask();
    }
  }
  need();
}

const events = new Events(onState, onLink);
const connect = () => events.open(narrow.matches ? 128 : 320);

// A page that nobody sees asks for nothing.
document.addEventListener("visibilitychange", () => (document.hidden ? events.close() : connect()));
narrow.addEventListener("change", connect);
for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)", "(prefers-contrast: more)"]) {
  matchMedia(query).addEventListener("change", () => {
    readColours();
    legend();
    need();
  });
}
// The traces go on while nothing changes, unless there is nothing in them.
setInterval(() => {
  if (link === "live" && latest && !document.hidden && !summary.flat) {
    summary.add(latest, Date.now());
    need();
  }
}, 1000);

function legend() {
  const swatch = (name, draw) => {
    const item = element("li");
    const canvas = element("canvas", "swatch");
    canvas.setAttribute("aria-hidden", "true");
    item.append(canvas, name);
    $("legend").append(item);
    const strip = new Strip(canvas, { lanes: draw.lanes ?? false });
    strip.resize(22, draw.lanes ? 22 : 12);
    strip.show(draw.strip, draw.readers ?? [], 0, 1, 0);
    strip.paint(0);
  };
  $("legend").replaceChildren();
  for (const [kind, name] of KINDS) {
    swatch(name, { strip: kind });
  }
  swatch("reader", { strip: "", lanes: true, readers: [{ at: 0.5, waiting: null }] });
  swatch("waits for", { strip: "", lanes: true, readers: [{ at: 0, waiting: [0.5, 0.9] }] });
}

readColours();
legend();
const linked = location.hash.match(/^#\/([0-9a-f]{16})$/);
if (linked) {
  detail.open(linked[1], null);
}
if (!document.hidden) {
  connect();
}
