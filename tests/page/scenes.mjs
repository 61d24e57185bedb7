// What the mock server says, for the cases and for the screenshots.

import { MIB, object, reader, state, strip } from "./mock_server.mjs";

export const LENGTH = 256 * MIB;
export const BLOCK = 256 << 10;

function film(step) {
  return {
    ranges: [[0, (40 + step) * MIB], [170 * MIB, 176 * MIB], [230 * MIB, (236 + step) * MIB]],
    arriving: [[(40 + step) * MIB, (46 + step) * MIB], [(236 + step) * MIB, (239 + step) * MIB]],
  };
}

// A film that arrives in two places, a volume read here and there, a disk image that is whole, and what goes wrong.
export function shore(step) {
  const cut = Array.from({ length: 60 }, (_, i) => [i * 31 * MIB, (i * 31 + 9 + ((i * 7) % 13)) * MIB]).filter(([b]) => b < 610 * MIB || b > 930 * MIB);
  const waits = [(236 + step) * MIB, (237 + step) * MIB];
  const objects = [
    object(1, "/films/tide-and-strand.mp4", {
      ...film(step),
      readers: [
        reader(1, (20 + step) * MIB, [0, LENGTH]),
        reader(2, (236 + step) * MIB, [230 * MIB, LENGTH], waits),
        reader(3, 172 * MIB, [170 * MIB, LENGTH]),
      ],
    }),
    object(2, "/volumes/north-sea/line-0417.sgy", {
      type: "application/octet-stream",
      length: 1900 * MIB,
      ranges: cut,
      evicted: [[610 * MIB, 930 * MIB]],
      readers: [reader(4, 1300 * MIB, [1290 * MIB, 1302 * MIB])],
    }),
    object(3, "/disks/debian-12.img", {
      type: "",
      length: 512 * MIB,
      ranges: [[0, 512 * MIB]],
      readers: [90, 150, 400, 410, 500].map((at, i) => reader(5 + i, at * MIB, [0, 512 * MIB])),
    }),
    object(4, "/live/stream.ts", { type: "video/mp2t", length: null, ranges: [[0, 3 * MIB]], arriving: [[3 * MIB, 4 * MIB]] }),
    object(5, "/films/broken.mkv", {
      type: "video/x-matroska",
      length: 90 * MIB,
      ranges: [[0, 700000]],
      state: "failed",
      error: "the origin ended its answer early",
    }),
  ];
  return state(objects, { rate_out: (30 + 12 * Math.sin(step / 3)) * MIB, rate_in: (12 + 3 * Math.cos(step / 2)) * MIB });
}

// The film in detail, as it is at `step`.
export function filmDetail(step) {
  return (from, to, cells) => {
    const { ranges, arriving } = film(step);
    const end = Math.min(to, LENGTH);
    return { ...shore(step).objects[0], strip: strip(LENGTH, ranges, { from, to: end, cells, arriving }), ranges, block_bytes: BLOCK };
  };
}

export function crowd(number, step) {
  const objects = Array.from({ length: 200 }, (_, i) =>
    object(i + 1, `/crowd/${i}.bin`, { length: 100 * MIB, ranges: [[0, ((step + i) % 100) * MIB]], arriving: [[60 * MIB, 61 * MIB]] }),
  );
  return state(objects, { more: number - 200, uptime_s: 60 * step });
}
