// Prints what a streamdeep publisher sends as JSON lines. The wire: docs/protocol.md; the lines: docs/conformance.md.
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { decode } from "@msgpack/msgpack";
import { Subscriber } from "zeromq";

const KINDS = ["embedding", "early", "event", "label", "model", "status"]; // status last: it speaks of the others
const NAME = "[a-z0-9][a-z0-9_.-]{0,63}";
const TOPIC = new RegExp(`^(?:(?:embedding|early|event|model|status)/${NAME}|label/${NAME}/${NAME})/$`);
const [REPEAT, EARLY] = [32n, 64n];
const HEADER = { useBigInt64: true, maxStrLength: 1024, maxBinLength: 1024, maxArrayLength: 64, maxMapLength: 64 };
const PAYLOAD = { ...HEADER, maxStrLength: 32768, maxMapLength: 1024 };
const host = `${hostname()}/${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}`; // on Linux

const books = new Map(), topics = new Set(); // by topic and session: { first, expected, newest }
const senders = new Map(); // by session: { sameHost, offset }
const lost = new Map(); // by stream
let refused = 0;

const check = (fine, what) => { if (!fine) throw new Error(what); };
const text = (values, key) => (check(typeof values[key] === "string", key), values[key]);
const isMap = (value) => Object.getPrototypeOf(value ?? 0) === Object.prototype;
const addLost = (stream, count) => lost.set(stream, (lost.get(stream) ?? 0n) + count);

function readMap(frame, mostBytes, limits) {
  check(frame.length <= mostBytes, "too large");
  const found = decode(frame, limits);
  return check(isMap(found), "no map"), found;
}

function integer(values, key, low = 0n, high = 2n ** 63n - 1n) {
  check(typeof values[key] === "bigint" || Number.isInteger(values[key]), key);
  const value = BigInt(values[key]); // those of up to 32 bits are decoded as Number
  check(low <= value && value <= high, key);
  return value;
}

function bookOf(topic, session, start) {
  const key = `${topic} ${session}`;
  if (!books.has(key)) {
    check(books.size < 4096, "too many topics"); // a sender that invents streams must not fill the memory
    const first = topics.has(topic) ? 0n : start; // what came before the first sign was before we joined
    books.set(key, { first, expected: first, newest: -1n });
    topics.add(topic);
  }
  return books.get(key);
}

function isNew(topic, stream, session, sequence) {
  const book = bookOf(topic, session, sequence);
  if (sequence <= book.newest) return false;
  if (sequence >= book.expected) addLost(stream, sequence - book.expected);
  else if (sequence >= book.first) addLost(stream, -1n); // given up, and here after all
  if (sequence >= book.expected) book.expected = sequence + 1n;
  book.newest = sequence;
  return true;
}

function announce(topic, stream, session, last, repeat) {
  if (!TOPIC.test(topic) || topic.split("/")[1] !== stream || (repeat && !books.has(`${topic} ${session}`))) return;
  const book = bookOf(topic, session, last + 1n);
  if (last >= book.expected) addLost(stream, last + 1n - book.expected);
  if (last >= book.expected) book.expected = last + 1n;
}

function vectorOf(header, payload) {
  check(header.dtype === "<f4" && Array.isArray(header.shape) && header.shape.length === 1, "dtype or shape");
  const dim = Number(integer(header.shape, 0, 1n, 262144n));
  check(payload.length === 4 * dim, "payload");
  const values = Array.from({ length: dim }, (_, i) => payload.readFloatLE(4 * i));
  check(values.every(Number.isFinite), "not finite");
  return { dim, values: values.slice(0, 3) };
}

const count = (map, key) => ({ [key]: integer(map, key) });
const place = (map) => ({ ...count(map, "start_sample"), ...count(map, "n_samples") });
const content = { // what a line says of each kind, beside what it says of all
  embedding: (header, payload) => ({ ...place(header), ...vectorOf(header, payload) }),
  event: (_, map) => ({ event: text(map, "event"), ...count(map, "at_sample"), ...count(map, "n_samples") }),
  label: (header, map) => ({ head: header.head, label: text(map, "label"), ...place(header) }),
  model: (_, map) => ({ name: text(map, "name"), dim: integer(map, "dim", 1n) }),
  status: (_, map) => (check(isMap(map.sequences) && text(map, "host"), "status"), {}),
};

function read(frames) { // the line to print; none for what came before; throws for what is no message
  const topic = frames[0].toString("latin1"), [kind, stream, head] = topic.split("/");
  check(frames.length === 3 && topic.length <= 160 && TOPIC.test(topic), "frames or topic");
  const header = readMap(frames[1], 16384, HEADER), hasVector = kind === "embedding" || kind === "early";
  check(integer(header, "v", 1n, 1n) && header.stream === stream && (!head || header.head === head), "stream or head");
  check(header.session instanceof Uint8Array && header.session.length === 16, "session");
  const session = Buffer.from(header.session).toString("hex"), sequence = integer(header, "sequence");
  const flags = integer(header, "flags", 0n, 2n ** 32n - 1n), repeat = (flags & REPEAT) !== 0n;
  check(!hasVector || ((flags & EARLY) !== 0n) === (kind === "early"), "early");
  const payload = hasVector ? frames[2] : readMap(frames[2], 65536, PAYLOAD);
  const line = { kind, stream, sequence, ...content[hasVector ? "embedding" : kind](header, payload) };
  const lasts = Object.keys(payload.sequences ?? {}).map((key) => [key, integer(payload.sequences, key, -1n)]);
  const published = ["published_utc_ns", "published_monotonic_ns"].map((key) => integer(header, key));
  const captured = hasVector ? [integer(header, "captured_utc_ns"), published[1] - integer(header, "latency_ns")] : [];
  const fresh = isNew(topic, stream, session, sequence); // only now that all is checked
  const now = [BigInt(Date.now()) * 1_000_000n, process.hrtime.bigint()];
  const sender = senders.get(session) ?? { sameHost: false, offset: null };
  senders.set(session, sender);
  if (!repeat && (sender.offset === null || now[0] - published[0] < sender.offset)) sender.offset = now[0] - published[0];
  if (kind === "status") sender.sameHost = payload.host === host;
  for (const [other, last] of kind === "status" ? lasts : []) announce(other, stream, session, last, repeat);
  const age = hasVector && (sender.sameHost ? now[1] - captured[1] : now[0] - captured[0] - (sender.offset ?? 0n));
  if (hasVector) line.age_s = Number(age) / 1e9;
  return fresh ? { ...line, lost: lost.get(stream) ?? 0n, refused } : null;
}

const json = (value) => (typeof value === "bigint" ? `${value}` : JSON.stringify(value)); // which knows no BigInt
const print = (line) => line && console.log(`{${Object.entries(line).map(([key, value]) => `"${key}":${json(value)}`)}}`);

const socket = new Subscriber({ receiveHighWaterMark: 256, maxMessageSize: 1 << 20, reconnectMaxInterval: 1000 });
socket.connect(process.argv[2] ?? "tcp://127.0.0.1:5757");
for (const kind of KINDS) socket.subscribe(`${kind}/`);
for await (const frames of socket) {
  try { print(read(frames)); } catch { refused += 1; }
}
