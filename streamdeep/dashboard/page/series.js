// What is kept of a stream, bounded: spectrogram columns in a ring, and the newest of everything else.

export const SPAN_MS = 30_000;
const COLUMNS_MOST = 2048;
const HEARD_MOST = 240;

/** A list that holds the newest so many. */
export class Newest {
  constructor(most) {
    this.most = most;
    this.items = [];
  }

  push(item) {
    this.items.push(item);
    if (this.items.length > this.most) this.items.shift();
  }

  get last() {
    return this.items.at(-1);
  }
}

/** When things happened at the sender, on this browser's clock: the fastest way here counts. */
export class Clock {
  constructor() {
    this.best = [Infinity, Infinity];
    this.turned = performance.now();
  }

  hear(utcMs) {
    const now = performance.now();
    if (now - this.turned > 30_000) {
      // A clock that drifts is followed within a minute.
      this.best = [Infinity, this.best[0]];
      this.turned = now;
    }
    this.best[0] = Math.min(this.best[0], now - utcMs);
  }

  /** The sender's time now, as far as it is known. */
  now() {
    const offset = Math.min(...this.best);
    return Number.isFinite(offset) ? performance.now() - offset : null;
  }
}

/** Spectrogram columns: one texture row of bytes for each frame, in a ring; gaps stay empty. */
export class Columns {
  constructor() {
    this.nBands = 0;
    this.total = 0; // columns since the beginning, gaps included
  }

  push(packet) {
    if (packet.nBands !== this.nBands || Math.abs(packet.hopMs - this.hopMs) > 0.5) this.begin(packet);
    const follows = packet.epoch === this.epoch && packet.startFrame === this.nextFrame;
    if (this.total && !follows) {
      const missingMs = packet.utcMs - packet.nFrames * packet.hopMs - this.lastMs;
      this.skip(Math.round(missingMs / packet.hopMs));
    }
    for (let frame = 0; frame < packet.nFrames; frame += 1) {
      const at = this.total % this.capacity;
      this.levels.set(packet.levels.subarray(frame * this.nBands, (frame + 1) * this.nBands), at * this.nBands);
      this.filled[at] = 1;
      this.total += 1;
    }
    this.epoch = packet.epoch;
    this.nextFrame = packet.startFrame + packet.nFrames;
    this.lastMs = packet.utcMs;
  }

  begin(packet) {
    this.nBands = packet.nBands;
    this.hopMs = packet.hopMs;
    this.capacity = Math.min(COLUMNS_MOST, Math.ceil((SPAN_MS + 3000) / packet.hopMs));
    this.levels = new Uint8Array(this.capacity * this.nBands);
    this.filled = new Uint8Array(this.capacity);
    this.total = 0;
  }

  skip(n) {
    for (let gap = 0; gap < Math.min(Math.max(0, n), this.capacity); gap += 1) {
      this.filled[this.total % this.capacity] = 0;
      this.total += 1;
    }
  }
}

/** Everything that is known of one stream. */
export class Series {
  constructor(name) {
    this.name = name;
    this.clock = new Clock();
    this.columns = new Columns();
    this.heard = new Newest(HEARD_MOST);
    this.events = new Newest(3);
    this.model = null;
    this.row = null;
  }

  hear(packet) {
    if (!packet.only_changes) this.clock.hear(packet.utc_ms);
    this.heard.push(packet);
  }

  draw(packet) {
    this.clock.hear(packet.utcMs);
    this.columns.push(packet);
  }

  /** Forget the picture: the sender or the server began anew. */
  clear() {
    this.clock = new Clock();
    this.columns = new Columns();
    this.heard = new Newest(HEARD_MOST);
    this.events = new Newest(3);
  }
}
