// Teaching: a row on each stream that names what was just heard, and a panel with what was taught so far.

import { element, percent, say } from "./text.js";

const LIST = "classes-known";

/** A stream's row: what it was, for how long, or held while it sounds. */
export class NamingRow {
  /** @param send takes an order */
  constructor(stream, send) {
    this.stream = stream;
    this.send = send;
    this.holding = false;
    this.input = element("input", { list: LIST, maxlength: "64", autocomplete: "off", spellcheck: "false", placeholder: "a class, or unknown" });
    this.seconds = element("select", {}, ...["2", "3", "5", "10"].map((value) => element("option", { value, text: `${value} s` })));
    this.seconds.value = "3";
    this.last = element("button", { type: "button", class: "act mine" });
    this.hold = element("button", { type: "button", class: "act" });
    this.not = element("button", { type: "button", class: "act" });
    this.root = element(
      "section",
      { class: "teach", "aria-label": `Teach from ${stream}` },
      element("h3", { text: "Teach: what was that?" }),
      element("div", { class: "row" }, element("label", {}, element("span", { text: "Class" }), this.input), element("label", {}, element("span", { text: "Last" }), this.seconds)),
      element("div", { class: "row" }, this.last, this.hold, this.not),
    );
    this.input.addEventListener("input", () => this.word());
    this.seconds.addEventListener("change", () => this.word());
    this.last.addEventListener("click", () => this.name(false));
    this.not.addEventListener("click", () => this.name(true));
    this.hold.addEventListener("pointerdown", (event) => {
      if (event.button === 0) this.begin();
    });
    for (const over of ["pointerup", "pointercancel", "pointerleave", "blur"]) this.hold.addEventListener(over, () => this.end());
    this.hold.addEventListener("keydown", (event) => {
      if ((event.key === " " || event.key === "Enter") && !event.repeat) this.begin();
    });
    this.hold.addEventListener("keyup", (event) => {
      if (event.key === " " || event.key === "Enter") this.end();
    });
    this.hold.addEventListener("contextmenu", (event) => event.preventDefault());
    addEventListener("pagehide", () => this.end());
    document.addEventListener("visibilitychange", () => this.end());
    this.word();
  }

  get label() {
    return this.input.value.trim();
  }

  word() {
    const known = this.label !== "";
    const what = known ? `“${this.label}”` : "…";
    say(this.last, `The last ${this.seconds.value} s were ${what}`);
    say(this.hold, this.holding ? `${what} … let go when it ends` : `Hold while ${what} sounds`);
    say(this.not, `They were not ${what}`);
    this.last.disabled = !known;
    this.hold.disabled = !known && !this.holding;
    this.not.disabled = !known || this.label === "unknown";
    this.hold.classList.toggle("holding", this.holding);
  }

  name(negative) {
    this.send({ do: "last", stream: this.stream, label: this.label, negative, seconds: Number(this.seconds.value) });
  }

  begin() {
    if (this.holding || !this.label) return;
    this.holding = this.send({ do: "begin", stream: this.stream, label: this.label });
    this.word();
  }

  end() {
    if (!this.holding) return;
    this.holding = false;
    this.send({ do: "end", stream: this.stream });
    this.word();
  }
}

/** What was taught so far, how good it is, undo and save. */
export class TeachingPanel {
  constructor(send) {
    this.title = element("h2", { text: "Teaching" });
    this.file = element("p", { class: "model" });
    this.score = element("p", { class: "sure" });
    this.scoreWords = element("p", { class: "model" });
    this.body = element("tbody");
    this.table = element(
      "table",
      { class: "taught" },
      element("caption", { class: "hush", text: "What was taught" }),
      element("thead", {}, element("tr", {}, ...["class", "times", "segments", "right when left out"].map((text) => element("th", { scope: "col", text })))),
      this.body,
    );
    this.hint = element("p", { class: "hint", text: "Nothing yet. Choose a class on a stream below and say what was just heard; two classes are needed, and “unknown” (background) is one." });
    this.undo = element("button", { type: "button", class: "act", text: "Undo" });
    this.save = element("button", { type: "button", class: "act main", text: "Save head" });
    this.told = element("p", { class: "told", role: "status" });
    this.list = element("datalist", { id: LIST });
    this.undo.addEventListener("click", () => send({ do: "undo" }));
    this.save.addEventListener("click", () => send({ do: "save" }));
    this.root = element(
      "section",
      { class: "card teaching", "aria-label": "Teaching" },
      element("div", { class: "title" }, this.title, this.file),
      element("div", { class: "hero" }, element("div", {}, this.hint, this.table), element("div", {}, this.score, this.scoreWords)),
      element("div", { class: "teach" }, element("div", { class: "row" }, this.undo, this.save), this.told),
      this.list,
    );
  }

  show(packet, labels) {
    say(this.file, `to ${packet.file}${packet.unsaved ? ", not saved yet" : ""}`);
    this.hint.hidden = packet.classes.length > 0;
    this.table.hidden = packet.classes.length === 0;
    say(this.score, packet.accuracy === null ? "" : percent(packet.accuracy));
    say(this.scoreWords, packet.learning ? "learning …" : packet.accuracy === null ? "" : `right when left out, ${packet.method}`);
    say(this.told, packet.told + (packet.waiting ? ` (${packet.waiting} still growing)` : ""));
    this.told.dataset.bad = String(packet.bad);
    this.save.disabled = packet.classes.length < 2 || !packet.unsaved;
    this.undo.disabled = packet.classes.length === 0;
    this.body.replaceChildren(
      ...packet.classes.map((one) =>
        element(
          "tr",
          {},
          element("th", { scope: "row", text: one.negative ? `not ${one.label}` : one.label }),
          element("td", { text: String(one.takes) }),
          element("td", { text: String(one.segments) }),
          element("td", { text: one.judged ? `${one.right} of ${one.judged}` : "–" }),
        ),
      ),
    );
    const known = [...new Set([...packet.classes.map((one) => one.label), ...labels, "unknown"])];
    if (this.list.children.length !== known.length) this.list.replaceChildren(...known.map((value) => element("option", { value })));
  }
}
