// An origin on loopback: objects with ranges and ETags, as fast as told, and the range server in front of it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { STRANDLINE_COMMAND } from "./browser.mjs";

const PIECE = 16384;

export class Origin {
  // `objects`: {path: {content, type}}; `rate`: bytes per second of each connection; `drop`: bytes until it is cut off;
  // `silent`: the first answer that comes so far sends no more, and stays open.
  constructor(objects, { rate, drop = Infinity, silent = Infinity, ranges = true }) {
    this.server = http.createServer(async (request, response) => {
      const object = objects[request.url];
      if (!object) {
        response.writeHead(404).end();
        return;
      }
      const { content, type } = object;
      const found = ranges && request.headers.range?.match(/^bytes=(\d+)-(\d*)$/);
      const first = found ? Number(found[1]) : 0;
      const last = Math.min(found?.[2] ? Number(found[2]) : Infinity, content.length - 1);
      const head = { "content-length": last + 1 - first, "content-type": type, etag: '"1"', "accept-ranges": ranges ? "bytes" : "none" };
      if (found) {
        head["content-range"] = `bytes ${first}-${last}/${content.length}`;
      }
      response.writeHead(found ? 206 : 200, head);
      if (request.method === "HEAD") {
        response.end();
        return;
      }
      for (let at = first; at <= last && !response.destroyed; at += PIECE) {
        if (at - first >= drop) {
          response.destroy();
          return;
        }
        if (at >= silent) {
          silent = Infinity;
          return;
        }
        response.write(content.subarray(at, Math.min(at + PIECE, last + 1)));
        await pause((1000 * PIECE) / rate);
      }
      response.end();
    });
  }

  async listen() {
    await new Promise((done) => this.server.listen(0, "127.0.0.1", done));
    this.url = `http://127.0.0.1:${this.server.address().port}/`;
    return this;
  }

  async close() {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}

export class RangeServer {
  constructor(origin) {
    this.origin = origin;
    this.port = 0;
  }

  async start() {
    this.cache ??= await mkdtemp(path.join(os.tmpdir(), "strandline-page-"));
    const args = ["serve", "--origin", this.origin.url, "--cache", this.cache, "--listen", `127.0.0.1:${this.port}`];
    this.process = spawn(STRANDLINE_COMMAND, [...args, "--connections", "2", "--timeout", "1", "--grace", "0"], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = await once(readline.createInterface({ input: this.process.stdout }), "line");
    this.url = line.match(/^listening on (http:\/\/.*\/)$/)[1];
    this.port = new URL(this.url).port;
    return this;
  }

  async stop() {
    const ended = once(this.process, "exit");
    this.process.kill("SIGTERM");
    const [code] = await ended;
    if (code !== 0) {
      throw new Error(`strandline serve ended with ${code}`);
    }
  }

  async close() {
    this.process.kill("SIGKILL"); // nothing, where it has ended
    await rm(this.cache, { recursive: true });
  }
}
