// A film in the browser, through the server: each second is a grey of its own, so that a wrong byte is a wrong picture.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { shot, withPage } from "./browser.mjs";
import { Origin, RangeServer } from "./origin.mjs";

const SECONDS = 60;

// Its index is at the end, as encoders leave it.
function film() {
  const folder = mkdtempSync(path.join(os.tmpdir(), "strandline-film-"));
  const file = path.join(folder, "film.mp4");
  const greys = `color=black:size=320x180:rate=10:duration=${SECONDS},geq=lum='40+3*floor(T)':cb=128:cr=128,noise=alls=16:allf=t`;
  try {
    execFileSync("ffmpeg", ["-v", "error", "-f", "lavfi", "-i", greys, "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-crf", "18", "-pix_fmt", "yuv420p", file]);
    const content = readFileSync(file);
    assert.ok(content.length > 5e6 && content.lastIndexOf("moov") > content.length / 2);
    return content;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// The mean grey of what is shown after a seek to `second`, 0 to 255.
async function greyAt(page, second) {
  return page.evaluate(async (time) => {
    const video = document.querySelector("video");
    video.pause();
    await new Promise((done, failed) => {
      video.addEventListener("seeked", done, { once: true });
      video.addEventListener("error", () => failed(new Error(video.error.message)), { once: true });
      video.currentTime = time;
    });
    const canvas = new OffscreenCanvas(32, 18).getContext("2d", { willReadFrequently: true });
    canvas.drawImage(video, 0, 0, 32, 18);
    const { data } = canvas.getImageData(0, 0, 32, 18);
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) {
      sum += data[i + 1];
    }
    return (4 * sum) / data.length;
  }, second);
}

let content = null;

const origins = {
  "that is slow": {},
  "that drops connections": { drop: 700_000 },
  "that falls silent": { silent: 3_000_000 },
  "without ranges": { ranges: false, rate: 16e6 },
};

for (const [name, how] of Object.entries(origins)) {
  test(`a film is seeked in, from an origin ${name}`, async (t) => {
    try {
      content ??= film();
    } catch (error) {
      if (error.code !== "ENOENT") {
        throw error;
      }
      t.skip("no ffmpeg: tools/setup clients installs it");
      return;
    }
    const origin = await new Origin({ "/film.mp4": { content, type: "video/mp4" } }, { rate: 4e6, ...how }).listen();
    const server = await new RangeServer(origin).start();
    try {
      await withPage(`${server.url}film.mp4`, {}, async (page) => {
        for (const second of [45, 10, 58, 0]) {
          const grey = await greyAt(page, second + 0.55);
          const expected = ((40 - 16 + 3 * second) * 255) / 219; // 16 to 235 in video
          assert.ok(Math.abs(grey - expected) < 3, `${grey} at ${second} s, and not ${expected}`);
        }
        await shot(page, "film");
      });
      await server.stop();
    } finally {
      await server.close();
      await origin.close();
    }
  });
}
