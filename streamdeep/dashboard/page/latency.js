// Where the time goes: a histogram of each stage over the last embeddings, on a common logarithmic axis.

import { fit } from "./spectrogram.js";
import { colour } from "./theme.js";
import { element, micros, say } from "./text.js";

const STAGES = ["capture", "resample", "frontend", "encoder", "publish"];
const LOW_US = 1;
const DECADES = 6; // to one second
const BINS = 48;

export class Latency {
  constructor() {
    this.rows = new Map();
    const body = element("tbody");
    for (const stage of [...STAGES, "total"]) {
      const canvas = element("canvas", { "aria-hidden": "true" });
      const median = element("td", { text: "–" });
      const row = element(
        "tr",
        { class: stage },
        element("th", { scope: "row", text: stage === "frontend" ? "front-end" : stage }),
        element("td", {}, canvas),
        median,
      );
      body.append(row);
      this.rows.set(stage, { canvas, median, context: canvas.getContext("2d") });
    }
    this.table = element(
      "table",
      { class: "stages" },
      element("caption", { class: "hush", text: "Latency by stage, median of the last embeddings" }),
      element(
        "thead",
        {},
        element("tr", {}, element("th", { scope: "col", text: "stage" }), element("th", { scope: "col", text: "1 µs … 1 s" }), element("th", { scope: "col", text: "median" })),
      ),
      body,
    );
  }

  draw(heard) {
    const timed = heard.filter((packet) => !packet.offline && !packet.only_changes && packet.latency_us > 0);
    for (const [stage, { canvas, median, context }] of this.rows) {
      const values = timed.map((packet) => (stage === "total" ? packet.latency_us : packet.stages_us[stage]));
      fit(canvas);
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.fillStyle = colour("--line");
      context.fillRect(0, canvas.height - 1, canvas.width, 1);
      if (!values.length) {
        say(median, "–");
        continue;
      }
      const bins = new Array(BINS).fill(0);
      for (const value of values) {
        const place = Math.log10(Math.max(value, LOW_US) / LOW_US) / DECADES;
        bins[Math.min(BINS - 1, Math.floor(place * BINS))] += 1;
      }
      const most = Math.max(...bins);
      context.fillStyle = colour(stage === "total" ? "--accent" : "--quiet");
      const width = canvas.width / BINS;
      bins.forEach((n, bin) => {
        const height = n ? Math.max(2, (n / most) * (canvas.height - 2)) : 0;
        context.fillRect(bin * width + 0.5, canvas.height - 1 - height, Math.max(1, width - 1), height);
      });
      const sorted = [...values].sort((one, other) => one - other);
      say(median, micros(sorted[Math.floor(sorted.length / 2)]));
    }
  }
}
