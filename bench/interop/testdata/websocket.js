// Socket is a WebSocket whose events can be awaited. It needs peer.js.
globalThis.Socket = class {
  constructor(url, protocols) {
    this.ws = new WebSocket(url, protocols);
    this.ws.binaryType = 'arraybuffer';
    this.queue = [];
    this.waiting = [];
    const opened = new Slot(), closed = new Slot();
    this.events = [];
    this.ws.addEventListener('open', () => { this.events.push('open'); opened.resolve(); });
    this.ws.addEventListener('error', () => { this.events.push('error'); });
    this.ws.addEventListener('close', ({code, reason, wasClean}) => {
      this.events.push('close');
      closed.resolve({code, reason, wasClean});
    });
    this.ws.addEventListener('message', ({data}) => {
      if (this.waiting.length > 0) this.waiting.shift()(data);
      else this.queue.push(data);
    });
    this.slots = {opened, closed};
  }

  opened() { return within(this.slots.opened.promise, 'open event'); }
  closed() { return within(this.slots.closed.promise, 'close event'); }

  next() {
    if (this.queue.length > 0) return Promise.resolve(this.queue.shift());
    return within(new Promise((resolve) => this.waiting.push(resolve)), 'message');
  }

  // echoed sends all messages at once, and checks that each is echoed.
  async echoed(messages) {
    for (const message of messages) this.ws.send(message);
    for (const [i, message] of messages.entries()) {
      const got = await this.next();
      if (typeof got !== typeof message) throw new Error(`message ${i}: ${typeof got}, sent ${typeof message}`);
      if (typeof got === 'string' ? got !== message : !same(new Uint8Array(got), new Uint8Array(message))) {
        throw new Error(`message ${i} has another content: ${got.length ?? got.byteLength}, sent ${message.length ?? message.byteLength}`);
      }
    }
  }

  // drained waits until nothing is buffered.
  drained() {
    return within((async () => {
      while (this.ws.bufferedAmount > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    })(), 'end of bufferedAmount');
  }
};

globalThis.same = (a, b) => a.length === b.length && a.every((octet, i) => octet === b[i]);

globalThis.randomBinary = (size) => joined(randomPieces(size, Math.min(size, 65536) || 1));

// randomText returns a text of size UTF-16 code units. Its characters have 1 to 4 octets in UTF-8, and some of its lines
// repeat.
globalThis.randomText = (size) => {
  const lines = Array.from({length: 50}, (_, i) => `${i}: ${Math.random()} äöü ☺ 🙂 ${'x'.repeat(i)}\n`);
  let text = '';
  while (text.length < size) text += lines[Math.floor(Math.random() * lines.length)];
  return text.slice(0, size).toWellFormed();
};
