// One Chromium for all cases; each has a page of its own, which may say nothing on its console that the case did not
// expect, and may ask nobody but the server it came from.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

export const LIMIT = Number(process.env.STRANDLINE_LIMIT ?? 60000); // ms until a hang is a failure
export const { STRANDLINE_COMMAND, STRANDLINE_PAGE_FILES, STRANDLINE_SCREENSHOTS } = process.env;

const { chromium } = createRequire(path.join(process.env.STRANDLINE_PAGE_MODULES, "/"))("playwright-core");
let browser = null;

export async function start() {
  mkdirSync(STRANDLINE_SCREENSHOTS, { recursive: true });
  browser = await chromium.launch({
    executablePath: process.env.STRANDLINE_CHROMIUM,
    args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
  });
}

export async function stop() {
  await browser?.close();
}

// `clock`: the page's time is the case's to put forward. act(page, problems): what stands in `problems` at the end fails the case.
export async function withPage(url, { clock = false, ...options }, act) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 }, colorScheme: "light", ...options });
  context.setDefaultTimeout(LIMIT);
  try {
    const page = await context.newPage();
    if (clock) {
      await page.clock.install();
    }
    const problems = [];
    page.on("console", (message) => problems.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => problems.push(`uncaught: ${error.stack}`));
    page.on("request", (request) => {
      if (new URL(request.url()).origin !== new URL(url).origin) {
        problems.push(`asked elsewhere: ${request.url()}`);
      }
    });
    await page.goto(url);
    await act(page, problems);
    assert.deepEqual(problems, []);
  } finally {
    await context.close();
  }
}

// Waits until what `look` answers in the page is true.
export function until(page, look, argument) {
  return page.waitForFunction(look, argument, { timeout: LIMIT });
}

export async function shot(page, name) {
  await page.screenshot({ path: path.join(STRANDLINE_SCREENSHOTS, `${name}.png`) });
}

export async function textOf(page, selector) {
  return (await page.locator(selector).textContent()).trim();
}
