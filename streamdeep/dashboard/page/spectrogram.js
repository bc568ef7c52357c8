// The scrolling Mel spectrogram: columns are painted once into a ring of pixels, and the ring is drawn scrolled.

import { levelTable } from "./colours.js";
import { SPAN_MS } from "./series.js";
import { isDark } from "./theme.js";

/** Shown so much later than it was heard, so that batches join without a jerk. */
export const DELAY_MS = 450;

export class Spectrogram {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.ring = document.createElement("canvas");
    this.painted = 0;
    this.source = null;
  }

  /** The theme changed: paint all columns again. */
  recolour() {
    this.table = levelTable(isDark());
    this.painted = 0;
  }

  draw(columns, nowMs) {
    const { canvas, context } = this;
    fit(canvas);
    const background = this.table[0];
    context.fillStyle = `rgb(${background & 255} ${(background >> 8) & 255} ${(background >> 16) & 255})`;
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (!columns.total || nowMs === null) return;
    this.paint(columns);
    const perColumn = (columns.hopMs / SPAN_MS) * canvas.width;
    // Where the newest column ends; columns that are not due yet lie beyond the right edge.
    const right = canvas.width + ((columns.lastMs - (nowMs - DELAY_MS)) / SPAN_MS) * canvas.width;
    const kept = Math.min(columns.total, columns.capacity);
    const first = columns.total - kept;
    context.imageSmoothingEnabled = true;
    let index = first;
    while (index < columns.total) {
      const at = index % columns.capacity;
      const run = Math.min(columns.capacity - at, columns.total - index);
      const x = right - (columns.total - index) * perColumn;
      context.drawImage(this.ring, at, 0, run, columns.nBands, x, 0, run * perColumn, canvas.height);
      index += run;
    }
  }

  paint(columns) {
    if (this.source !== columns || this.ring.height !== columns.nBands || this.ring.width !== columns.capacity) {
      this.ring.width = columns.capacity;
      this.ring.height = columns.nBands;
      this.source = columns;
      this.painted = 0;
      this.pixels = this.ring.getContext("2d");
    }
    const from = Math.max(this.painted, columns.total - columns.capacity);
    let index = from;
    while (index < columns.total) {
      const at = index % columns.capacity;
      const run = Math.min(columns.capacity - at, columns.total - index);
      const image = new ImageData(run, columns.nBands);
      const words = new Uint32Array(image.data.buffer);
      for (let column = 0; column < run; column += 1) {
        const offset = (at + column) * columns.nBands;
        const filled = columns.filled[at + column];
        for (let band = 0; band < columns.nBands; band += 1) {
          const level = filled ? columns.levels[offset + band] : 0;
          words[(columns.nBands - 1 - band) * run + column] = this.table[level];
        }
      }
      this.pixels.putImageData(image, at, 0);
      index += run;
    }
    this.painted = columns.total;
  }
}

/** Give a canvas as many pixels as it has on the screen; whether that changed. */
export function fit(canvas) {
  const scale = Math.min(2, devicePixelRatio || 1);
  const width = Math.max(1, Math.round(canvas.clientWidth * scale));
  const height = Math.max(1, Math.round(canvas.clientHeight * scale));
  if (canvas.width === width && canvas.height === height) return false;
  canvas.width = width;
  canvas.height = height;
  return true;
}

/** Frequencies at the top, the middle and the bottom of a band scale. */
export function frequencies(scale, rateHz) {
  const top = rateHz / 2;
  if (scale === "linear") return [top, top / 2, 0];
  // HTK's Mel; Slaney's differs by a few per cent in the middle.
  const mel = 2595 * Math.log10(1 + top / 700);
  return [top, 700 * (10 ** (mel / 2 / 2595) - 1), 0];
}
