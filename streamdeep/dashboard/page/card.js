// One stream on the page: what it is called, what it hears, and everything that is drawn of it.

import { Latency } from "./latency.js";
import { PlaceMap } from "./map.js";
import { Ribbons } from "./ribbons.js";
import { frequencies, Spectrogram } from "./spectrogram.js";
import { count, duration, element, hertz, percent, say } from "./text.js";

const CLASSES_MOST = 12;
const QUIETEST_DBFS = -72;
const STATES = {
  live: "live",
  late: "late",
  lossy: "losing sound",
  stale: "nothing comes",
  ended: "ended",
};
const LEDGER = [
  ["embedded", "embedded"],
  ["skipped", "skipped"],
  ["dropped", "dropped"],
  ["flight", "in flight"],
];

export class Card {
  constructor(series) {
    this.series = series;
    this.labels = [];
    this.dirty = true;
    this.visible = true;
    this.build(series.name);
    this.spectrogram = new Spectrogram(this.spectrogramCanvas);
    this.ribbons = new Ribbons(this.ribbonCanvas);
    this.map = new PlaceMap(this.mapCanvas);
    this.summarised = 0;
  }

  build(name) {
    const id = `stream-${name.replaceAll(".", "_")}`;
    const title = element("h2", { id: `${id}-name`, text: name });
    this.model = element("p", { class: "model" });
    this.state = element("p", { class: "state", text: "waiting" });
    this.label = element("p", { class: "label", "aria-live": "polite", "aria-atomic": "true", text: "…" });
    this.sure = element("p", { class: "sure" });
    this.novel = element("span", { class: "chip novel", text: "never heard anything like this" });
    this.novel.hidden = true;
    this.beside = element("span", {});
    this.aside = element("p", { class: "beside" }, this.novel, this.beside);
    this.meterFill = element("i");
    this.meterPeak = element("b");
    this.meter = element("div", { class: "meter", role: "meter", "aria-label": "Level in dBFS", "aria-valuemin": "-200", "aria-valuemax": "0", "aria-valuenow": "-200" }, this.meterFill, this.meterPeak);
    this.levelText = element("output", { text: "–" });
    this.level = element("div", { class: "level" }, element("span", { text: "Level" }), this.meter, this.levelText);

    this.spectrogramCanvas = element("canvas", { class: "spectrogram", role: "img", "aria-label": "Spectrogram of the last 30 seconds" });
    this.scale = element("div", { class: "scale", "aria-hidden": "true" }, element("span"), element("span"), element("span"));
    this.bandRow = element("div", { class: "band" }, this.scale, this.spectrogramCanvas);
    this.hint = element("p", { class: "hint" });
    this.hint.hidden = true;
    this.ribbonCanvas = element("canvas", { class: "ribbons", role: "img", "aria-label": "Probability of each class over the last 30 seconds" });
    this.classes = element("ul", { class: "classes", "aria-label": "Probability of each class now" });
    this.ribbonRow = element("div", { class: "band" }, this.classes, this.ribbonCanvas);
    this.times = element("div", { class: "times", "aria-hidden": "true" }, element("span", { text: "30 s ago" }), element("span", { text: "15 s" }), element("span", { text: "now" }));

    this.mapCanvas = element("canvas", { class: "map", role: "img", "aria-label": "Map of embeddings: nothing yet" });
    this.mapHint = element("p", { class: "hint" });
    this.mapHint.hidden = true;
    this.latency = new Latency();

    this.ledger = element("div", { class: "ledger", "aria-hidden": "true" });
    this.parts = {};
    this.counts = {};
    const list = element("dl", { class: "counts" });
    const add = (key, words, kind = "plain") => {
      this.counts[key] = element("dd", { "data-count": key, text: "–" });
      list.append(element("div", {}, element("dt", { class: kind, text: words }), this.counts[key]));
    };
    add("captured", "captured");
    for (const [key, words] of LEDGER) {
      this.parts[key] = element("i", { class: key });
      this.ledger.append(this.parts[key]);
      add(key, words, key);
    }
    add("gap", "never captured");
    add("wire", "lost on the wire");
    add("embeddings", "embeddings");
    add("age", "age of the newest");
    add("uptime", "runs for");
    this.sum = element("p", { class: "model" });
    this.events = element("ul", { class: "events", "aria-label": "What happened lately" });

    this.timeline = element("div", { class: "timeline" }, this.hint, this.bandRow, this.ribbonRow, this.times);
    const section = (words, ...children) => element("section", {}, element("h3", { text: words }), ...children);
    this.root = element(
      "article",
      { class: "card", id, "aria-labelledby": `${id}-name`, tabindex: "-1" },
      element("div", { class: "title" }, title, this.model, this.state),
      element("div", { class: "hero" }, this.label, this.sure, this.aside),
      this.level,
      this.timeline,
      element("div", { class: "pair" }, section("Map of embeddings", this.mapCanvas, this.mapHint), section("Latency by stage", this.latency.table)),
      element("section", { class: "numbers" }, element("h3", { text: "Where every sample is" }), this.ledger, list, this.sum, this.events),
    );
  }

  // --- what came ------------------------------------------------------------------------------------------------

  introduce(labels) {
    this.labels = labels;
    this.dirty = true;
  }

  describe() {
    const { model } = this.series;
    if (!model) return;
    say(this.model, `${model.name}, segments of ${duration(model.segment_s)} every ${duration(model.hop_s)}`);
    frequencies(model.scale, model.model_rate_hz).forEach((hz, index) => say(this.scale.children[index], hertz(hz)));
    say(this.mapHint, "No map: it needs the model file of this engine. Start the dashboard with --model FILE.");
    this.mapHint.hidden = model.map_fits;
    this.mapCanvas.hidden = !model.map_fits;
    this.ribbonRow.hidden = !model.head_fits;
  }

  hear(packet) {
    this.dirty = true;
    this.showLabel(packet);
    if (packet.only_changes) return;
    this.root.dataset.sequence = String(packet.sequence);
    const { level_dbfs: level, peak_dbfs: peak } = packet;
    const place = (dbfs) => 100 * Math.min(1, Math.max(0, 1 - dbfs / QUIETEST_DBFS));
    this.meterFill.style.width = `${place(level)}%`;
    this.meterPeak.style.left = `calc(${place(peak)}% - 2px)`;
    this.meter.setAttribute("aria-valuenow", level.toFixed(0));
    this.level.dataset.clipped = String(packet.clipped);
    say(this.levelText, packet.clipped ? "clipped" : `${level.toFixed(0)} dBFS`);
  }

  showLabel(packet) {
    const { row } = this.series;
    const known = packet?.label !== undefined;
    if (known) {
      say(this.label, packet.label);
      this.label.dataset.unknown = String(packet.label === "unknown");
      say(this.sure, percent(packet.confidence));
    } else if (row?.labels.length) {
      say(this.label, row.labels[0].label);
      this.label.dataset.unknown = String(row.labels[0].label === "unknown");
      say(this.sure, percent(row.labels[0].confidence));
    } else if (packet) {
      say(this.label, "no head for this model");
      this.label.dataset.unknown = "true";
      say(this.sure, "");
    }
    this.novel.hidden = !packet?.never_heard;
    const words = [];
    if (known && packet.probabilities) {
      // Most probable first, see the labeller.
      const other = Object.entries(packet.probabilities).find(([label]) => label !== packet.label);
      if (other) words.push(`${packet.label === "unknown" ? "closest" : "next"}: ${other[0]}, ${percent(other[1])}`);
    }
    if (packet?.novelty !== null && packet?.novelty !== undefined) words.push(`novelty ${packet.novelty.toFixed(2)}`);
    if (packet?.drifting) words.push("for long less and less like the training");
    for (const other of (row?.labels ?? []).slice(known ? 0 : 1, 4)) {
      words.push(`${other.head} says ${other.label} ${percent(other.confidence)}`);
    }
    say(this.beside, words.join(" · "));
  }

  /** Once a second. */
  account() {
    const { row } = this.series;
    if (!row) return;
    this.root.dataset.state = row.state;
    this.state.dataset.state = row.state;
    say(this.state, STATES[row.state] ?? row.state);
    if (!this.series.heard.last) this.showLabel(null);
    const { counters } = row;
    const set = (key, text, bad = false) => {
      say(this.counts[key], text);
      this.counts[key].dataset.bad = String(bad);
    };
    set("wire", count(row.wire_lost), row.wire_lost > 0);
    set("age", duration(row.age_s), row.state === "late");
    set("uptime", duration(row.uptime_s));
    const noFrames = counters && !row.frames;
    this.hint.hidden = !noFrames;
    this.bandRow.hidden = noFrames;
    if (noFrames) {
      say(this.hint, row.live ? "No spectrogram: start the engine with “streamdeep run … --frames”. Everything else is here." : "No spectrogram: this file is played as fast as it goes.");
    }
    if (!counters) return;
    const dropped = Object.values(counters.dropped ?? {}).reduce((sum, one) => sum + one, 0);
    const parts = { embedded: counters.embedded, skipped: counters.skipped, dropped, flight: counters.in_flight };
    set("captured", count(counters.captured));
    for (const [key, value] of Object.entries(parts)) {
      set(key, count(value), key === "dropped" && value > 0);
      this.parts[key].style.width = `${(100 * value) / Math.max(1, counters.captured)}%`;
    }
    set("gap", count(counters.gap_samples), counters.gap_samples > 0);
    set("embeddings", count(counters.embeddings));
    const missing = counters.captured - Object.values(parts).reduce((sum, one) => sum + one, 0);
    say(this.sum, missing ? `${count(missing)} samples are unaccounted for` : "In samples. Captured = embedded + skipped + dropped + in flight.");
  }

  tellEvents() {
    const told = this.series.events.items
      .filter((event) => event.event !== "start")
      .map((event) => `${new Date(event.utc_ms).toLocaleTimeString()} ${event.event}${event.reason ? `: ${event.reason}` : ""}`);
    while (this.events.children.length < told.length) this.events.append(element("li"));
    [...this.events.children].forEach((item, index) => say(item, told.at(-1 - index) ?? ""));
  }

  // --- drawing ----------------------------------------------------------------------------------------------------

  recolour() {
    this.spectrogram.recolour();
    this.dirty = true;
  }

  /** What moves. */
  drawTime(nowMs) {
    const hopMs = 1000 * (this.series.model?.hop_s ?? 1);
    if (!this.bandRow.hidden) this.spectrogram.draw(this.series.columns, nowMs);
    if (!this.ribbonRow.hidden) this.ribbons.draw(this.rows ?? [], this.series.heard.items, nowMs, hopMs);
  }

  /** What changes with an embedding. */
  drawRest() {
    if (!this.dirty) return;
    this.dirty = false;
    const heard = this.series.heard.items;
    this.listClasses(heard);
    if (!this.mapCanvas.hidden) this.map.draw(heard, this.labels);
    this.latency.draw(heard);
    const now = performance.now();
    if (now - this.summarised > 5000) {
      this.summarised = now;
      this.summarise(heard);
    }
  }

  listClasses(heard) {
    const newest = heard.findLast((packet) => packet.probabilities);
    if (!newest) return;
    const recent = heard.slice(-30);
    let rows = this.labels.map((label, index) => ({ label, index }));
    if (rows.length > CLASSES_MOST) {
      const most = (label) => Math.max(...recent.map((packet) => packet.probabilities?.[label] ?? 0));
      rows = rows
        .map((row) => ({ ...row, most: most(row.label) }))
        .sort((one, other) => other.most - one.most)
        .slice(0, CLASSES_MOST)
        .sort((one, other) => one.index - other.index);
    }
    this.rows = rows.filter(({ label }) => label in newest.probabilities);
    while (this.classes.children.length > this.rows.length) this.classes.lastChild.remove();
    while (this.classes.children.length < this.rows.length) this.classes.append(element("li", {}, element("span"), element("span")));
    this.rows.forEach(({ label }, index) => {
      const item = this.classes.children[index];
      say(item.children[0], label);
      say(item.children[1], percent(newest.probabilities[label]));
      item.title = label;
      item.dataset.on = String(label === newest.label);
    });
  }

  summarise(heard) {
    const newest = heard.at(-1);
    const columns = this.series.columns;
    this.spectrogramCanvas.setAttribute("aria-label", `Spectrogram of the last 30 seconds, ${columns.nBands} bands; level ${newest ? newest.level_dbfs.toFixed(0) : "–"} dBFS`);
    if (!this.mapCanvas.hidden) {
      const place = newest?.place ? `; the newest at ${newest.place.map((axis) => axis.toFixed(1)).join(", ")}` : "";
      this.mapCanvas.setAttribute("aria-label", `Map of the last ${this.map.shown} embeddings${place}`);
    }
  }
}
