// Numbers as the strandline command says them.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(value) {
  let unit = 0;
  while (value >= 1024 && unit + 1 < UNITS.length) {
    value /= 1024;
    ++unit;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

export function rate(perSecond) {
  return `${bytes(perSecond)}/s`;
}

// Never 100 % of what is not whole, never 0 % of what is something.
export function percent(part, whole) {
  if (!whole) {
    return "0 %";
  }
  const value = (100 * part) / whole;
  if (part > 0 && value < 1) {
    return "< 1 %";
  }
  return `${part < whole ? Math.min(99, Math.floor(value)) : 100} %`;
}

// Where in an object: finer than how much of it.
export function place(offset, length) {
  return length ? `${((100 * offset) / length).toFixed(1)} %` : bytes(offset);
}

export function count(value) {
  return Math.round(value).toLocaleString("en-US").replaceAll(",", "\u202f");
}

export function many(value, one, several) {
  return `${count(value)} ${value === 1 ? one : several}`;
}

// Tenths where it can have any: a server's uptime is in whole seconds.
export function duration(ms) {
  if (ms > 0 && ms < 1000) {
    return `${Math.round(ms)} ms`;
  }
  const seconds = ms / 1000;
  if (seconds < 60) {
    return `${Number.isInteger(seconds) ? seconds : seconds.toFixed(1)} s`;
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    return `${minutes} min ${Math.floor(seconds % 60)} s`;
  }
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
