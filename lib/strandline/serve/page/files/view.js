// The part of an object that is looked at: whole blocks, no more of them than can be told apart.

const FEWEST = 8; // blocks, at the closest

export class View {
  constructor() {
    this.reset(0, 1);
  }

  reset(length, block) {
    this.length = length;
    this.block = Math.max(1, block);
    this.from = 0;
    this.to = length;
  }

  get blocks() {
    return Math.max(1, Math.ceil(this.length / this.block));
  }

  get all() {
    return this.from === 0 && this.to === this.length;
  }

  get span() {
    return Math.ceil((this.to - this.from) / this.block);
  }

  // `first`, `span`: blocks.
  set(first, span) {
    span = Math.min(this.blocks, Math.max(Math.min(FEWEST, this.blocks), Math.round(span)));
    first = Math.min(this.blocks - span, Math.max(0, Math.round(first)));
    const before = `${this.from}-${this.to}`;
    this.from = first * this.block;
    this.to = Math.min(this.length, (first + span) * this.block);
    return `${this.from}-${this.to}` !== before;
  }

  // The place `share` (0 to 1) of what is seen stays where it is.
  zoom(factor, share = 0.5) {
    const span = Math.min(this.blocks, Math.max(FEWEST, this.span * factor));
    return this.set(this.from / this.block + (this.span - span) * share, span);
  }

  // The place `share` of what is seen comes to the middle.
  centre(share, span) {
    return this.set(this.from / this.block + share * this.span - span / 2, span);
  }

  // By this share of what is seen.
  pan(share) {
    const step = Math.sign(share) * Math.max(1, Math.abs(share) * this.span);
    return this.set(this.from / this.block + step, this.span);
  }

  toStart() {
    return this.set(0, this.span);
  }

  toEnd() {
    return this.set(this.blocks, this.span);
  }

  showAll() {
    return this.set(0, this.blocks);
  }

  // No more than `most`, and each a whole number of blocks where that can be.
  cells(most) {
    return Math.max(1, Math.min(most, this.span));
  }
}
