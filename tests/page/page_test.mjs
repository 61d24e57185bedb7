// Runs the page in Chromium: one browser for all cases. Where it cannot run that is said, and the exit code is 77.

import { existsSync } from "node:fs";
import path from "node:path";
import { after, before } from "node:test";

process.env.STRANDLINE_CHROMIUM ??= "/usr/bin/chromium";
const needed = [process.env.STRANDLINE_CHROMIUM, path.join(process.env.STRANDLINE_PAGE_MODULES, "node_modules/playwright-core")];
const missing = needed.filter((each) => !existsSync(each));
if (missing.length > 0) {
  console.log(`no ${missing.map((each) => path.basename(each)).join(" and no ")}: tools/setup page installs it`);
  process.exit(77);
}

const { start, stop } = await import("./browser.mjs");
before(start);
after(stop);
await import("./page_cases.mjs");
await import("./live_cases.mjs");
await import("./video_cases.mjs");
