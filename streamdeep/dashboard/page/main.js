// The page at work: what comes goes to its stream; what is visible is drawn, no more often than it changes.

import { Card } from "./card.js";
import { Connection } from "./connection.js";
import { Series } from "./series.js";
import { NamingRow, TeachingPanel } from "./teach.js";
import { element, say } from "./text.js";
import { isDark, onTheme, startTheme } from "./theme.js";

const FRAME_MS = 33;
const CALM_MS = 1000; // where less motion is asked for, pictures move on once a second

const byId = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const streams = new Map();
let labels = [];
let paused = false;
let up = false;
let board = null;
let panel = null;

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const found = streams.get(entry.target.dataset.stream);
    if (found) found.card.visible = entry.isIntersecting;
  }
}, { rootMargin: "100px" });

function streamOf(name) {
  const found = streams.get(name);
  if (found) return found;
  const series = new Series(name);
  const card = new Card(series);
  card.root.dataset.stream = name;
  card.introduce(labels);
  card.recolour();
  const link = element("a", { href: `#${card.root.id}`, text: name });
  const made = { series, card, link };
  streams.set(name, made);
  if (panel) teachFrom(made);
  for (const one of [...streams.keys()].sort()) {
    byId("streams").append(streams.get(one).card.root);
    byId("names").append(streams.get(one).link);
  }
  watcher.observe(card.root);
  byId("empty").hidden = true;
  return made;
}

function teachFrom({ series, card }) {
  card.timeline.after(new NamingRow(series.name, (order) => connection.send(order)).root);
}

const takers = {
  introduction(packet) {
    labels = packet.labels;
    for (const { card } of streams.values()) card.introduce(labels);
  },
  model(packet) {
    const { series, card } = streamOf(packet.stream);
    series.model = packet;
    card.describe();
  },
  heard(packet) {
    const { series, card } = streamOf(packet.stream);
    series.hear(packet);
    card.hear(packet);
  },
  event(packet) {
    const { series, card } = streamOf(packet.stream);
    series.events.push(packet);
    card.tellEvents();
  },
  board(packet) {
    board = packet;
    for (const row of packet.streams) {
      const { series, card, link } = streamOf(row.stream);
      series.row = row;
      card.account();
      link.dataset.state = row.state;
      link.title = row.state;
    }
    tellConnection("");
  },
  teaching(packet) {
    if (!panel) {
      panel = new TeachingPanel((order) => connection.send(order));
      byId("streams").prepend(panel.root);
      for (const made of streams.values()) teachFrom(made);
    }
    panel.show(packet, labels);
  },
  dropped(packet) {
    say(byId("notes"), `This browser was too slow: ${packet.total} messages were left out.`);
  },
};

function tellConnection(words) {
  const troubles = up ? (board?.connections ?? []).filter((one) => one.trouble).map((one) => `${one.endpoint}: ${one.trouble}`) : [words];
  if (up && board?.not_shown) troubles.push(`${board.not_shown} more streams are not shown; choose with --stream.`);
  const shown = troubles.filter(Boolean);
  const place = byId("troubles");
  if (place.dataset.shown !== shown.join("\n")) {
    place.dataset.shown = shown.join("\n");
    place.replaceChildren(...shown.map((text) => element("p", { text })));
  }
  const connection = byId("connection");
  const live = (board?.connections ?? []).filter((one) => one.up);
  connection.dataset.state = up && live.length ? "up" : "down";
  if (!up) say(connection, "disconnected");
  else if (!board) say(connection, "connected");
  else say(connection, live.length ? `connected to ${live.map((one) => one.endpoint).join(", ")}` : "no engine");
}

const connection = new Connection({
  text(packet) {
    takers[packet.kind]?.(packet);
  },
  columns(packet) {
    streamOf(packet.stream).series.draw(packet);
  },
  state(isUp, words) {
    up = isUp;
    // The server sends the recent past again to whoever joins.
    if (up) for (const { series } of streams.values()) series.clear();
    tellConnection(words);
  },
});

let drawnMs = 0;
function draw(nowMs) {
  requestAnimationFrame(draw); // which stops by itself while the page is hidden
  if (paused || nowMs - drawnMs < (calm.matches ? CALM_MS : FRAME_MS) - 4) return;
  drawnMs = nowMs;
  for (const { series, card } of streams.values()) {
    if (!card.visible) continue;
    card.drawTime(series.clock.now());
    card.drawRest();
  }
}

byId("pause").addEventListener("click", (event) => {
  paused = !paused;
  event.currentTarget.setAttribute("aria-pressed", String(paused));
  say(event.currentTarget, paused ? "Go on" : "Pause");
});
startTheme(byId("theme"));
onTheme(() => {
  for (const { card } of streams.values()) card.recolour();
  document.querySelector('meta[name="color-scheme"]').content = isDark() ? "dark" : "light";
});
connection.start();
requestAnimationFrame(draw);
