// The way to the server: texts of JSON and bytes of spectrograms in, texts out. It comes back by itself.

const RETRY_MS = [300, 600, 1200, 2000];

export class Connection {
  /**
   * @param handlers text(object), columns(packet), state(up, words)
   */
  constructor(handlers) {
    this.handlers = handlers;
    this.failures = 0;
    this.socket = null;
  }

  start() {
    const address = new URL("live", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    address.search = "";
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => {
      this.failures = 0;
      this.handlers.state(true, "");
    });
    socket.addEventListener("message", (event) => this.take(event.data));
    socket.addEventListener("close", () => {
      this.handlers.state(false, "The dashboard's server does not answer; trying again.");
      const wait = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
      this.failures += 1;
      setTimeout(() => this.start(), wait);
    });
    this.socket = socket;
  }

  /** @returns whether it left */
  send(value) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(value));
    return true;
  }

  take(data) {
    if (typeof data === "string") {
      this.handlers.text(JSON.parse(data));
      return;
    }
    const packet = readColumns(data);
    if (packet) this.handlers.columns(packet);
  }
}

/** A spectrogram's columns; null for a kind that this page does not know. */
export function readColumns(data) {
  const view = new DataView(data);
  if (view.getUint8(0) !== 1) return null;
  const nameLength = view.getUint8(1);
  const name = String.fromCharCode(...new Uint8Array(data, 40, nameLength));
  return {
    stream: name,
    nFrames: view.getUint16(4, true),
    nBands: view.getUint16(6, true),
    epoch: view.getUint32(8, true),
    startFrame: view.getFloat64(12, true),
    utcMs: view.getFloat64(20, true),
    hopMs: view.getFloat32(28, true),
    low: view.getFloat32(32, true),
    high: view.getFloat32(36, true),
    levels: new Uint8Array(data, 40 + nameLength),
  };
}
