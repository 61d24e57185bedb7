// The server's events, read with fetch and not with EventSource: that does not tell of a server that has fallen silent,
// for it keeps comment lines to itself.

const SILENCE = 25000; // the server says something every 10 s
const PAUSES = [500, 1000, 2000, 4000, 5000];

// Fields of https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation that the server uses.
function take(block, onState) {
  let name = "message";
  let data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) {
      name = line.slice(6).trim();
    } else if (line.startsWith("data:")) {
      data += (data && "\n") + line.slice(5).replace(/^ /, "");
    }
  }
  if (name === "state" && data) {
    onState(JSON.parse(data));
  }
}

export class Events {
  // onState(state); onLink("connecting" | "live" | "gone", why)
  constructor(onState, onLink) {
    this.onState = onState;
    this.onLink = onLink;
    this.failures = 0;
    this.cells = 0;
  }

  open(cells) {
    this.cells = cells;
    this.close();
    this.connect();
  }

  close() {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = null;
  }

  async connect() {
    const abort = new AbortController();
    this.abort = abort;
    this.heard();
    let why = "it closed the connection";
    try {
      const answer = await fetch(`api/events?cells=${this.cells}`, { signal: abort.signal, cache: "no-store" });
      if (!answer.ok) {
        throw new Error(`it answered ${answer.status}`);
      }
      await this.read(answer.body.pipeThrough(new TextDecoderStream()).getReader(), abort);
    } catch (error) {
      why = abort.signal.aborted ? abort.signal.reason?.message : error.message;
    }
    if (this.abort === abort) {
      this.again(why);
    }
  }

  async read(reader, abort) {
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done || this.abort !== abort) {
        return;
      }
      this.heard();
      if (this.failures >= 0) {
        this.failures = -1;
        this.onLink("live");
      }
      const blocks = (text + value).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        take(block, this.onState);
      }
    }
  }

  heard() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.abort?.abort(new Error("it has fallen silent")), SILENCE);
  }

  again(why) {
    clearTimeout(this.timer);
    this.failures = Math.max(0, this.failures);
    const pause = PAUSES[Math.min(this.failures, PAUSES.length - 1)];
    ++this.failures;
    this.onLink("gone", why);
    this.timer = setTimeout(() => this.connect(), pause);
  }
}
