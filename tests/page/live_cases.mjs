// The page, as the real server serves it: a slow download, a seek, the server's going and its return.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { test } from "node:test";
import { shot, textOf, until, withPage } from "./browser.mjs";
import { checkContrast, checkNames, painted, paintedIn, tree } from "./checks.mjs";
import { Origin, RangeServer } from "./origin.mjs";

const MIB = 1 << 20;
const LENGTH = 32 * MIB;
const STRIP = ".row canvas.strip";
const content = randomBytes(LENGTH);

// An answer whose body comes as it is taken: {status, read(), end()}.
async function get(url, headers = {}) {
  const [answer] = await once(http.get(url, { headers, agent: false }), "response");
  return answer;
}

async function bodyOf(answer) {
  const parts = [];
  for await (const part of answer) {
    parts.push(part);
  }
  return Buffer.concat(parts);
}

test("a slow download grows, a seek leaves a gap, and the server goes and comes back", async () => {
  const objects = { "/tide.bin": { content, type: "application/octet-stream" } };
  const origin = await new Origin(objects, { rate: 1.5 * MIB }).listen();
  const server = await new RangeServer(origin).start();
  let film = null;
  try {
    await withPage(`${server.url}-/`, {}, async (page, problems) => {
      await page.getByText("Nothing is being read.").waitFor();
      assert.equal(await textOf(page, "#link-text"), "Live");
      await shot(page, "live-empty");

      film = await get(`${server.url}tide.bin`);
      film.resume();
      await page.waitForSelector(STRIP);
      await until(page, paintedIn, [STRIP, "fill", 20]);
      const before = await painted(page, STRIP, "fill");
      await until(page, paintedIn, [STRIP, "fill", 2 * before.count]);
      assert.ok((await painted(page, STRIP, "fill")).right < 0.7);

      const at = Math.floor(0.9 * LENGTH);
      const seek = await get(`${server.url}tide.bin`, { Range: `bytes=${at}-${at + 65535}` });
      assert.equal(seek.statusCode, 206);
      assert.deepEqual(await bodyOf(seek), content.subarray(at, at + 65536));
      // What was asked for is there, and what lies before it is not.
      await until(
        page,
        (selector) => {
          const canvas = document.querySelector(selector);
          const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
          copy.drawImage(canvas, 0, 0);
          const low = canvas.height - 9; // above the ground line, and not above what is there in part
          const { data } = copy.getImageData(0, low, canvas.width, 1);
          const drawn = (share) => data[4 * Math.floor(share * canvas.width) + 3] > 0;
          return drawn(0.9005) && !drawn(0.85);
        },
        STRIP,
      );
      await shot(page, "live-seek");
      checkNames(await tree(page));
      await checkContrast(page);

      await page.keyboard.press("Tab"); // the link that skips
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await until(page, () => document.querySelectorAll("#ranges tr").length >= 2);
      assert.equal(await textOf(page, "#detail-title"), "/tide.bin");
      for (let i = 0; i < 6; ++i) {
        await page.keyboard.press("+");
      }
      // A cell for each block has come from the server.
      await until(page, () => /, \d+ blocks$/.test(document.getElementById("window-text").textContent));
      checkNames(await tree(page));
      await shot(page, "live-detail");
      await page.keyboard.press("Escape");

      film.destroy();
      await server.stop();
      await page.getByRole("alert").filter({ hasText: "The server does not answer" }).waitFor();
      await shot(page, "live-gone");
      await server.start();
      await until(page, () => document.getElementById("link-text").textContent === "Live");
      assert.ok(problems.splice(0).every((each) => /ERR_(CONNECTION|INCOMPLETE|EMPTY)/.test(each)));
    });
    await server.stop();
  } finally {
    film?.destroy();
    await server.close();
    await origin.close();
  }
});
