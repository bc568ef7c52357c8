// Probabilities over time: one ribbon for each class, as high as it is probable, on the spectrogram's time axis.

import { classColour } from "./colours.js";
import { SPAN_MS } from "./series.js";
import { DELAY_MS, fit } from "./spectrogram.js";
import { colour, isDark } from "./theme.js";

export const ROW_PX = 20;

export class Ribbons {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
  }

  /**
   * @param rows [{label, index}] from top to bottom
   * @param heard packets, oldest first
   */
  draw(rows, heard, nowMs, hopMs) {
    const { canvas, context } = this;
    canvas.style.height = `${rows.length * ROW_PX}px`;
    fit(canvas);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!rows.length || nowMs === null) return;
    const rowHeight = canvas.height / rows.length;
    const x = (utcMs) => canvas.width * (1 - (nowMs - DELAY_MS - utcMs) / SPAN_MS);
    const shown = heard.filter((packet) => packet.probabilities && !packet.only_changes && x(packet.utc_ms) > -canvas.width / 10);
    context.strokeStyle = colour("--line");
    context.lineWidth = 1;
    const dark = isDark();
    rows.forEach(({ label, index }, row) => {
      const base = Math.round((row + 1) * rowHeight) - 0.5;
      context.beginPath();
      context.moveTo(0, base);
      context.lineTo(canvas.width, base);
      context.stroke();
      context.fillStyle = classColour(index, dark);
      context.beginPath();
      let before = null;
      for (const packet of shown) {
        const width = (Math.min(hopMs, before === null ? hopMs : Math.max(1, packet.utc_ms - before)) / SPAN_MS) * canvas.width;
        const height = packet.probabilities[label] * (rowHeight - 4);
        const right = x(packet.utc_ms);
        context.rect(right - width, base - height, width + 0.6, height);
        before = packet.utc_ms;
      }
      const last = shown.at(-1);
      // The newest holds until the next is due.
      if (last && x(last.utc_ms) < canvas.width && nowMs - DELAY_MS - last.utc_ms < 2 * hopMs) {
        const height = last.probabilities[label] * (rowHeight - 4);
        context.rect(x(last.utc_ms), base - height, canvas.width - x(last.utc_ms), height);
      }
      context.fill();
    });
  }
}
