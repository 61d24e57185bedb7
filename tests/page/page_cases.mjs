// The page, by what the mock server says.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { STRANDLINE_PAGE_FILES, shot, textOf, until, withPage } from "./browser.mjs";
import { checkContrast, checkNames, painted, paintedIn, tabOrder, tree } from "./checks.mjs";
import { MIB, MockServer, id, object, reader, state } from "./mock_server.mjs";
import { BLOCK, LENGTH, crowd, filmDetail, shore } from "./scenes.mjs";

const STRIP = ".row:first-child canvas.strip";
const mock = new MockServer(STRANDLINE_PAGE_FILES);

before(() => mock.listen());
after(() => mock.close());

function onShore(options, act) {
  mock.say(shore(0));
  mock.details.set(id(1), filmDetail(0));
  return withPage(mock.url, options, async (page, problems) => {
    await page.waitForSelector(".row");
    await act(page, problems);
  });
}

async function openFilm(page) {
  await page.locator(".name").first().focus();
  await page.keyboard.press("Enter");
  await until(page, () => document.getElementById("window-text").textContent.includes("1\u202f024 blocks"));
}

test("each object has its row, with what it is in words", () =>
  onShore({}, async (page) => {
    assert.equal(await page.locator(".row").count(), 5);
    assert.equal(await page.locator(STRIP).getAttribute("aria-label"), "20 % present, arriving at 15.6 %, 92.2 %, 3 readers, 1 waiting");
    assert.equal(await textOf(page, ".row:nth-child(3) .share"), "100 %");
    assert.equal(await textOf(page, ".row:nth-child(4) .share"), "3.0 MiB");
    assert.match(await textOf(page, ".row:nth-child(5) .about"), /the origin ended its answer early/);
    assert.equal(await textOf(page, ".row:first-child .readers .waits"), "127.0.0.1:40002 waits at 92.2 % for 74 ms");
    assert.equal(await textOf(page, ".row:nth-child(3) .others"), "and 2 more");
    assert.equal(await textOf(page, "#rate-out"), "30.0 MiB/s");
    assert.equal(await textOf(page, "#hits"), "87 %");
    assert.equal(await textOf(page, "#saved"), "7.6 GiB");
    assert.equal(await textOf(page, "#link-text"), "Live");
    assert.match(await textOf(page, "#spoken"), /^5 objects are being read, 30.0 MiB\/s to clients, 1 reader waits\.$/);
  }));

test("a strip grows, its readers go on, and the one behind it does not move", () =>
  onShore({}, async (page) => {
    await until(page, paintedIn, [STRIP, "fill", 1]);
    const before = await painted(page, STRIP, "fill");
    const rows = await page.locator(".row .file").allTextContents();
    mock.say(shore(1));
    await until(page, () => document.querySelector(".row .share").textContent === "21 %");
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(done)));
    assert.ok((await painted(page, STRIP, "fill")).count >= before.count); // only what has just come shines
    const next = shore(30);
    next.objects.reverse(); // the server's order is its own matter
    mock.say(next);
    await until(page, () => document.querySelector(".row .share").textContent === "43 %");
    await until(page, paintedIn, [STRIP, "fill", before.count * 1.5]);
    assert.deepEqual(await page.locator(".row .file").allTextContents(), rows);
    await shot(page, "grown");
  }));

test("kinds of cells differ without their colour", () =>
  onShore({}, async (page) => {
    const heights = await page.evaluate(() =>
      [...document.querySelectorAll("#legend canvas")].slice(0, 6).map((canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let cells = "";
        for (let i = 3; i < data.length; i += 4) {
          cells += data[i] > 0 ? Math.round((data[i - 3] + data[i - 2] + data[i - 1]) / 96) : " ";
        }
        return cells;
      }),
    );
    assert.equal(new Set(heights).size, 6);
  }));

test("with less motion nothing fades", () =>
  onShore({ reducedMotion: "reduce" }, async (page) => {
    mock.say(shore(10));
    await until(page, () => document.querySelector(".row .share").textContent === "28 %");
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    const { right } = await painted(page, STRIP, "fill"); // what has just come has its last colour at once
    assert.ok(right > 245 / 256 && right < 247 / 256, `${right}`);
  }));

test("keys: one stop for the list, arrows in it, Enter opens, Escape closes", () =>
  onShore({}, async (page) => {
    assert.deepEqual(await tabOrder(page), ["Skip to the objects", "/films/tide-and-strand.mp4"]);
    await page.locator(".name").first().focus();
    for (const [key, name] of [["ArrowDown", "line-0417.sgy"], ["End", "broken.mkv"], ["ArrowDown", "broken.mkv"], ["Home", "tide-and-strand.mp4"], ["ArrowUp", "tide-and-strand.mp4"]]) {
      await page.keyboard.press(key);
      assert.equal(await page.evaluate(() => document.activeElement.querySelector(".file").textContent), name);
    }
    assert.equal(await page.locator(".name[tabindex='0']").count(), 1);
    await openFilm(page);
    assert.equal(await page.evaluate(() => document.activeElement.id), "window");
    await page.locator("#detail-close").focus();
    const order = await tabOrder(page);
    assert.deepEqual(order.slice(0, 6), ["zoom-in", "zoom-out", "pan-left", "pan-right", "zoom-all", "window"]);
    assert.equal(order.length, 8); // and the two tables, which scroll
    await page.keyboard.press("Escape");
    await until(page, () => !document.getElementById("detail").open);
    assert.equal(await page.evaluate(() => document.activeElement.querySelector(".file").textContent), "tide-and-strand.mp4");
  }));

test("the focus stays in the list when its row goes", () =>
  onShore({}, async (page) => {
    await page.locator(".name").nth(1).focus();
    const next = shore(1);
    next.objects.splice(1, 1);
    mock.say(next);
    await until(page, () => document.querySelectorAll(".row").length === 4);
    assert.equal(await page.evaluate(() => document.activeElement.querySelector(".file").textContent), "debian-12.img");
    mock.say(state([]));
    await until(page, () => document.querySelectorAll(".row").length === 0);
    assert.equal(await page.evaluate(() => document.activeElement.id), "objects");
    assert.ok(await page.locator("#empty").isVisible());
  }));

test("the detail view goes down to blocks, by keyboard and by mouse", () =>
  onShore({}, async (page) => {
    await openFilm(page);
    assert.equal(await textOf(page, "#readers tr:nth-child(2) td:nth-child(4)"), "247\u202f463\u202f936 to 248\u202f512\u202f512");
    assert.equal(await textOf(page, "#ranges tr:nth-child(1)"), "041\u202f943\u202f04040.0 MiB");
    assert.equal(await page.locator("#ranges tr").count(), 3);
    const valuetext = () => page.locator("#window").getAttribute("aria-valuetext");
    assert.match(await valuetext(), /^0 B to 256\.0 MiB, 1\u202f024 blocks: \d+ % present/);
    for (let i = 0; i < 7; ++i) {
      await page.keyboard.press("+");
    }
    // Where the reader waits, and each of the eight blocks is a cell.
    await until(page, () => document.getElementById("window").getAttribute("aria-valuetext") === "235.0 MiB to 237.0 MiB, 8 blocks: 50 % present, 50 % arriving");
    await mock.untilAsked(`/-/api/objects/${id(1)}?from=${235 * MIB}&to=${237 * MIB}&cells=8`);
    await shot(page, "blocks");
    await page.keyboard.press("End");
    await until(page, () => document.getElementById("window-text").textContent.startsWith("254.0 MiB to 256.0 MiB"));
    await page.keyboard.press("0");
    await until(page, () => document.getElementById("window-text").textContent.includes("1\u202f024 blocks"));
    const box = await page.locator("#window").boundingBox();
    await page.mouse.move(box.x + box.width * 0.25, box.y + box.height / 2);
    await page.mouse.wheel(0, -400);
    await until(page, () => !document.getElementById("window-text").textContent.includes("1\u202f024 blocks"));
    const begin = () => page.locator("#window").getAttribute("aria-valuenow").then(Number);
    const zoomed = await begin();
    assert.ok(zoomed > 0 && zoomed < LENGTH / 4 && zoomed % BLOCK === 0, `${zoomed}`);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.1, box.y + box.height / 2, { steps: 4 });
    await page.mouse.up();
    assert.ok((await begin()) > zoomed);
    await page.getByRole("button", { name: "All" }).click();
    await until(page, () => document.getElementById("window").getAttribute("aria-valuenow") === "0");
  }));

test("an object of unknown length has readers that ask to its end", () =>
  onShore({}, async (page) => {
    const live = shore(0).objects[3];
    const readers = [reader(1, 3 * MIB, [0, null], [3 * MIB, null])];
    mock.details.set(live.id, () => ({ ...live, readers, ranges: [[0, 3 * MIB]], block_bytes: BLOCK, truncated: false }));
    await page.locator(".name").nth(3).click();
    await until(page, () => document.querySelector("#readers td:nth-child(3)")?.textContent === "0 to the end");
    assert.equal(await textOf(page, "#readers td:nth-child(4)"), "3\u202f145\u202f728 to the end");
    assert.equal(await textOf(page, "#readers td:nth-child(2)"), "3.0 MiB");
    assert.equal(await textOf(page, "#window-text"), "Its length is not known yet");
  }));

test("an object with thousands of readers and ranges is a table of some, and says so", () =>
  onShore({}, async (page) => {
    const readers = Array.from({ length: 3000 }, (_, i) => reader(i, (LENGTH / 3000) * i, [0, LENGTH]));
    const ranges = Array.from({ length: 4096 }, (_, i) => [2 * i * 4096, (2 * i + 1) * 4096]);
    mock.details.set(id(1), (...where) => ({ ...filmDetail(0)(...where), readers, ranges, truncated: true }));
    await openFilm(page);
    assert.equal(await page.locator("#readers tr").count(), 200);
    assert.equal(await textOf(page, "#readers-more"), "and 2\u202f800 more");
    assert.equal(await page.locator("#ranges tr").count(), 200);
    assert.equal(await textOf(page, "#ranges-more"), "The first 200 of more than 4\u202f096.");
  }));

test("the detail view follows the events, and says when the object has gone", () =>
  onShore({}, async (page, problems) => {
    await openFilm(page);
    mock.details.set(id(1), filmDetail(30));
    mock.say(shore(30));
    await until(page, () => document.querySelector("#ranges td:nth-child(3)").textContent === "70.0 MiB");
    mock.details.delete(id(1));
    mock.say(shore(31));
    await page.getByText("It is no longer in the store.").waitFor();
    assert.ok(problems.splice(0).every((each) => /404/.test(each)));
    await page.getByRole("button", { name: "Close" }).click();
    await until(page, () => !document.getElementById("detail").open);
  }));

test("a link leads to an object", () => {
  mock.details.set(id(1), filmDetail(0));
  return withPage(`${mock.url}#/${id(1)}`, {}, async (page) => {
    await until(page, () => document.getElementById("detail-title").textContent === "/films/tide-and-strand.mp4");
  });
});

test("a server that has gone is seen, and seen again when it is back", () =>
  onShore({}, async (page, problems) => {
    const { port } = mock;
    await mock.close();
    await page.getByRole("alert").filter({ hasText: "The server does not answer" }).waitFor();
    assert.equal(await textOf(page, "#link-text"), "No server");
    await checkContrast(page);
    await shot(page, "gone");
    await mock.listen(port);
    await until(page, () => document.getElementById("link-text").textContent === "Live");
    assert.ok(!(await page.locator("#gone").isVisible()));
    assert.equal(await textOf(page, "#spoken"), "The server answers again.");
    assert.ok(problems.splice(0).every((each) => /ERR_(CONNECTION|INCOMPLETE|EMPTY)/.test(each)));
  }));

test("a server that says nothing any more is one that has gone, and asked again", () =>
  onShore({ clock: true }, async (page) => {
    await until(page, () => document.getElementById("link-text").textContent === "Live");
    await page.clock.fastForward(26000);
    await until(page, () => document.getElementById("gone").textContent.includes("it has fallen silent"));
    await page.clock.fastForward(1000);
    await until(page, () => document.getElementById("link-text").textContent === "Live");
  }));

test("thousands of objects and more states than frames: the last is shown, drawn once for each frame", () => {
  mock.say(crowd(5000, 0));
  return withPage(mock.url, {}, async (page) => {
    await page.waitForSelector(".row");
    await page.locator(".row").last().scrollIntoViewIfNeeded();
    await until(page, () => document.querySelector(".row:last-child canvas.strip").width > 300);
    await page.locator(".row").first().scrollIntoViewIfNeeded();
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    await page.evaluate(() => {
      window.drawn = new Map(); // by frame: how often the first strip was cleared
      window.unseen = 0; // how often one was that is out of sight
      const clear = CanvasRenderingContext2D.prototype.clearRect;
      CanvasRenderingContext2D.prototype.clearRect = function (...args) {
        if (this.canvas === document.querySelector(".row canvas.strip")) {
          const { currentTime } = document.timeline;
          window.drawn.set(currentTime, (window.drawn.get(currentTime) ?? 0) + 1);
        }
        window.unseen += this.canvas === document.querySelector(".row:last-child canvas.strip");
        return clear.apply(this, args);
      };
    });
    for (let step = 1; step <= 60; ++step) {
      mock.say(crowd(5000, step));
    }
    await until(page, () => document.getElementById("connections-note").textContent.includes("in 1 h 0 min"));
    assert.equal(await page.locator(".row").count(), 200);
    assert.equal(await textOf(page, "#more"), "and 4\u202f800 more");
    const drawn = await page.evaluate(() => [...window.drawn.values()]);
    assert.equal(await page.evaluate(() => window.unseen), 0);
    assert.ok(drawn.length > 0 && drawn.every((times) => times === 1), `${drawn}`);
  });
});

for (const colorScheme of ["light", "dark"]) {
  test(`names and contrast, ${colorScheme}`, () =>
    onShore({ colorScheme }, async (page) => {
      for (let step = 1; step <= 12; ++step) {
        mock.say(shore(step));
        await until(page, (share) => document.querySelector(".row .share").textContent === share, `${Math.floor((52 + 2 * step) / 2.56)} %`);
      }
      checkNames(await tree(page));
      assert.ok((await checkContrast(page)) > 40);
      await shot(page, colorScheme);
      await openFilm(page);
      checkNames(await tree(page));
      assert.ok((await checkContrast(page)) > 40);
      await page.keyboard.press("+");
      await page.keyboard.press("+");
      await until(page, () => document.getElementById("window-text").textContent.includes("256 blocks"));
      await shot(page, `detail-${colorScheme}`);
    }));
}

test("nothing is cut off on a narrow screen", () =>
  onShore({ viewport: { width: 320, height: 700 }, deviceScaleFactor: 2 }, async (page) => {
    const overflow = () => page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
    assert.equal(await overflow(), 0); // WCAG 1.4.10
    await shot(page, "narrow");
    await openFilm(page);
    assert.equal(await page.evaluate(() => document.getElementById("detail").scrollWidth - document.getElementById("detail").clientWidth), 0);
    await shot(page, "detail-narrow");
  }));

test("a page that nobody sees asks for nothing", () =>
  onShore({}, async (page) => {
    const deaf = mock.untilDeaf();
    await page.evaluate(() => {
      Object.defineProperty(document, "hidden", { configurable: true, value: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await until(page, () => document.getElementById("link-text").textContent === "Live"); // it is not gone
    await deaf;
    await page.evaluate(() => fetch("icon.svg?later"));
    await mock.untilAsked("/-/icon.svg?later"); // what had been asked for before it would have come before it
    assert.equal(mock.listeners.size, 0);
    mock.say(state([object(9, "/late.bin", { readers: [reader(1, 0, [0, 1])] })]));
    await page.evaluate(() => {
      delete document.hidden;
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await until(page, () => document.querySelector(".row .file")?.textContent === "late.bin");
  }));
