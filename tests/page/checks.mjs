// What a reader of screens and an eye that sees little need: names, and contrast.

import assert from "node:assert/strict";

const INTERACTIVE = new Set(["button", "link", "slider", "textbox", "checkbox", "combobox", "menuitem", "option", "tab"]);
const NAMED = new Set([...INTERACTIVE, "img", "image", "meter", "dialog", "region", "canvas"]);

// The accessibility tree: [{role, name, focusable}].
export async function tree(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  await session.detach();
  return nodes
    .filter((node) => !node.ignored)
    .map((node) => ({
      role: node.role?.value,
      name: (node.name?.value ?? "").trim(),
      value: node.value?.value,
      valuetext: node.properties?.find((each) => each.name === "valuetext")?.value?.value,
      focusable: node.properties?.some((each) => each.name === "focusable" && each.value.value) ?? false,
    }));
}

// WCAG 4.1.2 and 1.1.1.
export function checkNames(nodes) {
  const interactive = nodes.filter((node) => INTERACTIVE.has(node.role));
  assert.ok(interactive.length > 0);
  const wanted = (node) => NAMED.has(node.role) || (node.focusable && node.role !== "RootWebArea");
  const nameless = nodes.filter((node) => wanted(node) && !/\p{L}/u.test(node.name)); // an arrow is no name
  assert.deepEqual(nameless, []);
}

// WCAG 1.4.3: 4.5 to 1, large text 3 to 1; 1.4.11: what strips are drawn in, 3 to 1. Answers how many texts were looked at.
export async function checkContrast(page) {
  const { looked, low } = await page.evaluate(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const over = (colours) => {
      canvas.clearRect(0, 0, 1, 1);
      for (const colour of colours) {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
      }
      return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const luminance = (rgb) => {
      const [r, g, b] = rgb.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (a, b) => {
      const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
      return (high + 0.05) / (low + 0.05);
    };
    const behind = (node) => {
      const colours = [];
      for (let each = node; each; each = each.parentElement) {
        colours.unshift(getComputedStyle(each).backgroundColor);
        if (each.tagName === "DIALOG") {
          break;
        }
      }
      return ["Canvas", ...colours];
    };
    const root = document.querySelector("dialog[open]") ?? document.body;
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    const low = [];
    let looked = 0;
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const parent = node.parentElement;
      if (!node.data.trim() || !parent.checkVisibility() || parent.closest(".unseen, script, noscript")) {
        continue;
      }
      ++looked;
      const style = getComputedStyle(parent);
      const size = parseFloat(style.fontSize);
      const needed = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
      const found = ratio(over([...behind(parent), style.color]), over(behind(parent)));
      if (found < needed) {
        low.push(`${found.toFixed(2)} of "${node.data.trim()}" (${parent.className || parent.tagName})`);
      }
    }
    const style = getComputedStyle(document.documentElement);
    const ground = over(behind(root));
    for (const name of ["fill", "accent", "soft"]) {
      const found = ratio(over([style.getPropertyValue(`--${name}`)]), ground);
      if (found < 3) {
        low.push(`${found.toFixed(2)} of --${name}`);
      }
    }
    return { looked, low };
  });
  assert.deepEqual(low, []);
  return looked;
}

// Which elements Tab comes to, from the top of the page, until it leaves it or a dialog is once round.
export async function tabOrder(page) {
  const order = [];
  for (;;) {
    await page.keyboard.press("Tab");
    const found = await page.evaluate(() => {
      const node = document.activeElement;
      return node === document.body ? null : node.id || node.textContent.trim().slice(0, 40);
    });
    if (found === null || order.includes(found)) {
      return order;
    }
    order.push(found);
  }
}

// How many pixels of a canvas have about this colour ("fill", "accent"), and how far right they go, 0 to 1.
export function painted(page, selector, colour) {
  return page.evaluate(paintedIn, [selector, colour]);
}

// For the page: also as a condition to wait for.
export function paintedIn([selector, colour, least]) {
  const canvas = document.querySelector(selector);
  if (!canvas || !canvas.width) {
    return least === undefined ? { count: 0, right: 0 } : false;
  }
  const probe = new OffscreenCanvas(1, 1).getContext("2d");
  probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(`--${colour}`);
  probe.fillRect(0, 0, 1, 1);
  const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
  const { width, height } = canvas;
  const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, width, height);
  let count = 0;
  let right = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] > 200 && Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 12) {
      ++count;
      right = Math.max(right, ((i / 4) % width) / width);
    }
  }
  return least === undefined ? { count, right } : count >= least;
}
