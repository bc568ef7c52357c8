// Where embeddings lie: a projection that the model file fixes, so that places stay put; recent points fade.

import { classColour } from "./colours.js";
import { fit } from "./spectrogram.js";
import { colour, isDark } from "./theme.js";

const REACH = 3.2; // standard deviations of the training data, from the middle to the edge
const FADE_MS = 60_000;
const SHOWN_MOST = 90;

export class PlaceMap {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.shown = 0;
  }

  draw(heard, labels) {
    const { canvas, context } = this;
    fit(canvas);
    const dark = isDark();
    const { width, height } = canvas;
    const unit = Math.min(width, height) / 2 / REACH;
    context.clearRect(0, 0, width, height);
    context.strokeStyle = colour("--line");
    context.lineWidth = 1.5;
    for (const deviation of [1, 2, 3]) {
      context.beginPath();
      context.arc(width / 2, height / 2, deviation * unit, 0, 2 * Math.PI);
      context.stroke();
    }
    const points = heard.filter((packet) => packet.place && !packet.only_changes).slice(-SHOWN_MOST);
    this.shown = points.length;
    if (!points.length) return;
    const newest = points.at(-1).utc_ms;
    const at = ({ place }) => [
      Math.min(width - 6, Math.max(6, width / 2 + place[0] * unit)),
      Math.min(height - 6, Math.max(6, height / 2 - place[1] * unit)),
    ];
    const dot = Math.max(3, width / 110);
    let before = null;
    points.forEach((packet, index) => {
      const age = Math.min(1, (newest - packet.utc_ms) / FADE_MS);
      const last = index === points.length - 1;
      const [x, y] = at(packet);
      context.globalAlpha = last ? 1 : 0.12 + 0.6 * (1 - age) ** 2;
      context.fillStyle = classColour(labels.indexOf(packet.label), dark);
      if (before && age < 0.25) {
        context.strokeStyle = context.fillStyle;
        context.lineWidth = dot / 3;
        context.beginPath();
        context.moveTo(...before);
        context.lineTo(x, y);
        context.stroke();
      }
      context.beginPath();
      context.arc(x, y, last ? 1.8 * dot : dot, 0, 2 * Math.PI);
      context.fill();
      if (last) {
        context.strokeStyle = colour("--ink");
        context.lineWidth = dot / 2;
        context.stroke();
      }
      before = [x, y];
    });
    context.globalAlpha = 1;
  }
}
