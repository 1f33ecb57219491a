// What the page offers to the scripts of a test: Peer, an RTCPeerConnection that signals by itself, and Channel, a data
// channel whose events can be awaited. Nothing waits for ever: within() gives each promise a deadline.
'use strict';

// patience is how long a script waits for what should come at once, in milliseconds. It is less than the time that the
// test gives the script, so that the message says what did not come.
const patience = 15000;

// within gives what the promise gives, or fails after a time and says what did not come.
async function within(promise, what, time = patience) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} after ${time} ms`)), time);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// A Slot is a promise with its resolve function outside.
class Slot {
  constructor() {
    this.promise = new Promise((resolve) => { this.resolve = resolve; });
  }
}

class Channel {
  constructor(dc) {
    this.dc = dc;
    dc.binaryType = 'arraybuffer';
    this.events = [];       // of every kind but message
    this.onMessage = null;  // takes messages from the queue, if set
    this.queue = [];
    this.waiting = [];
    const slots = {};
    for (const kind of ['open', 'closing', 'close', 'error']) {
      slots[kind] = new Slot();
      dc.addEventListener(kind, (e) => {
        this.events.push(kind === 'error' ? `error: ${e.error.message}` : kind);
        slots[kind].resolve(performance.now());
      });
    }
    // A channel from ondatachannel may be open before anyone can listen.
    if (dc.readyState === 'open') slots.open.resolve(performance.now());
    this.slots = slots;
    dc.addEventListener('message', ({data}) => this.#take(data));
  }

  #take(data) {
    if (this.onMessage) this.onMessage(data);
    else if (this.waiting.length > 0) this.waiting.shift()(data);
    else this.queue.push(data);
  }

  get label() { return this.dc.label; }

  opened() { return within(this.slots.open.promise, `open event of ${this.label}`); }

  // closed gives the time of the close event.
  closed(time) { return within(this.slots.close.promise, `close event of ${this.label}`, time); }

  // next gives the next message: a string or an ArrayBuffer.
  next() {
    if (this.queue.length > 0) return Promise.resolve(this.queue.shift());
    return within(new Promise((resolve) => this.waiting.push(resolve)), `message on ${this.label}`);
  }

  send(data) { this.dc.send(data); }

  // echo sends back what comes, from now on.
  echo() {
    this.onMessage = (data) => this.dc.send(data);
    for (const data of this.queue.splice(0)) this.onMessage(data);
  }

  // sendAll sends the pieces, with at most 1 MiB waiting in the browser.
  async sendAll(pieces) {
    const high = 1 << 20;
    this.dc.bufferedAmountLowThreshold = high / 2;
    for (const piece of pieces) {
      while (this.dc.bufferedAmount > high) {
        const low = new Slot();
        this.dc.addEventListener('bufferedamountlow', low.resolve, {once: true});
        await within(low.promise, `bufferedamountlow event of ${this.label}`);
      }
      this.dc.send(piece);
    }
  }

  // properties are what the two sides have to agree on.
  properties() {
    const {label, protocol, ordered, maxRetransmits, maxPacketLifeTime, negotiated, id} = this.dc;
    return {label, protocol, ordered, maxRetransmits, maxPacketLifeTime, negotiated, id};
  }
}

class Peer {
  // send brings a signal, {description} or {candidate}, to the other side. Without trickle there are no candidates, and
  // a description is sent when it has them all.
  constructor(send, {withoutTrickle = false, certificates, bundlePolicy} = {}) {
    this.pc = new RTCPeerConnection({certificates, bundlePolicy});
    this.sendSignal = send;
    this.trickle = !withoutTrickle;
    this.states = [];        // of the connection, as they came
    this.candidates = [];    // local ones, as sent
    this.channels = new Map();
    this.expected = new Map();
    this.inbox = Promise.resolve();
    this.failure = null;     // what went wrong in signalling
    this.ignoring = false;   // the candidates of an offer that was ignored
    this.ignored = 0;        // offers
    this.negotiations = 0;   // offers that were answered

    this.pc.addEventListener('negotiationneeded', () => this.#enqueue(async () => {
      if (this.pc.signalingState === 'stable') await this.#describe();
    }));
    this.pc.addEventListener('icecandidate', ({candidate}) => {
      if (candidate && candidate.candidate) this.candidates.push(candidate.candidate);
      if (this.trickle && candidate) this.sendSignal({candidate: candidate.toJSON()});
    });
    this.pc.addEventListener('signalingstatechange', () => {
      if (this.pc.signalingState === 'stable') this.negotiations++;
    });
    this.pc.addEventListener('connectionstatechange', () => {
      this.states.push(this.pc.connectionState);
      this.stateChanged?.();
    });
    this.pc.addEventListener('datachannel', ({channel}) => {
      const c = new Channel(channel);
      this.channels.set(c.label, c);
      this.#expect(c.label).resolve(c);
    });
  }

  #expect(label) {
    if (!this.expected.has(label)) this.expected.set(label, new Slot());
    return this.expected.get(label);
  }

  // enqueue does something after everything that was enqueued before: signalling is one thing after the other.
  #enqueue(action) {
    this.inbox = this.inbox.then(action).catch((e) => {
      this.failure = e;
      console.error(`signalling: ${e}`);
    });
  }

  // describe makes the description that fits the state, and sends it.
  async #describe() {
    await this.pc.setLocalDescription();
    if (!this.trickle) await this.gathered();
    this.sendSignal({description: this.pc.localDescription.toJSON()});
  }

  gathered() {
    return within(new Promise((resolve) => {
      const check = () => { if (this.pc.iceGatheringState === 'complete') resolve(); };
      this.pc.addEventListener('icegatheringstatechange', check);
      check();
    }), 'end of gathering');
  }

  // signal takes what the other side sent. When both offer at once this side insists on its offer, and ignores the
  // other's: it is the impolite peer of the W3C's perfect negotiation example.
  signal({description, candidate}) {
    this.#enqueue(async () => {
      if (description) {
        this.ignoring = description.type === 'offer' && this.pc.signalingState !== 'stable';
        if (this.ignoring) {
          this.ignored++;
          return;
        }
        await this.pc.setRemoteDescription(description);
        if (description.type === 'offer') await this.#describe();
      } else if (candidate && !this.ignoring) {
        await this.pc.addIceCandidate(candidate);
      }
    });
  }

  // open makes a channel; it does not wait until it is open.
  open(label, init) {
    const c = new Channel(this.pc.createDataChannel(label, init));
    this.channels.set(label, c);
    return c;
  }

  // accepted waits for a channel that the other side opens, and until it is open.
  async accepted(label) {
    const c = await within(this.#expect(label).promise, `channel ${label} from the other side`);
    await c.opened();
    return c;
  }

  channel(label) { return this.channels.get(label); }

  // reached waits for a state of the connection, also one that is over.
  async reached(state) {
    if (this.failure) throw this.failure;
    await within(new Promise((resolve) => {
      this.stateChanged = () => {
        if (this.pc.connectionState === state || this.states.includes(state)) resolve();
      };
      this.stateChanged();
    }), `connection state ${state}, but ${JSON.stringify(this.states)}`);
    return performance.now();
  }

  // negotiated waits until offer and answer have been exchanged so many times.
  async negotiated(times) {
    const late = performance.now() + patience;
    while (this.negotiations < times || this.pc.signalingState !== 'stable') {
      if (this.failure) throw this.failure;
      if (performance.now() > late) throw new Error(`${this.negotiations} negotiations, not ${times}; ${this.pc.signalingState}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  // sections gives those of the other side's description in short, such as 'audio inactive,application'.
  sections() {
    return this.pc.remoteDescription.sdp.split(/^m=/m).slice(1).map((section) => {
      const kind = section.split(' ')[0];
      if (/^\S+ 0 /.test(section)) return `${kind} rejected`;
      return kind === 'application' ? kind : `${kind} ${/^a=(sendrecv|sendonly|recvonly|inactive)/m.exec(section)[1]}`;
    }).join();
  }

  // stats gives the statistics of one kind.
  async stats(type) {
    return [...(await this.pc.getStats()).values()].filter((s) => s.type === type);
  }
}

// connectToTest makes a peer that signals to the connection of the test that is behind the given address.
async function connectToTest(address, {rsa, ...options}) {
  if (rsa) {
    options.certificates = [await RTCPeerConnection.generateCertificate({
      name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]),
    })];
  }
  let outbox = Promise.resolve();
  const peer = new Peer((message) => {
    outbox = outbox.then(async () => {
      const response = await fetch(address, {method: 'POST', body: JSON.stringify(message)});
      if (!response.ok) {
        peer.failure = new Error(`the other side refused ${JSON.stringify(message)}: ${await response.text()}`);
        console.error(String(peer.failure));
      }
    });
  }, options);
  peer.source = new EventSource(address);
  peer.source.onmessage = ({data}) => peer.signal(JSON.parse(data));
  return peer;
}

// track gives a track of silence or of a picture.
function track(kind) {
  if (kind === 'audio') return new AudioContext().createMediaStreamDestination().stream.getAudioTracks()[0];
  const canvas = document.createElement('canvas');
  canvas.getContext('2d').fillRect(0, 0, 10, 10);
  return canvas.captureStream(10).getVideoTracks()[0];
}

// connectTwo makes two peers that signal to each other.
function connectTwo(options) {
  const a = new Peer((message) => b.signal(message), options);
  const b = new Peer((message) => a.signal(message), options);
  return [a, b];
}

// pattern gives size bytes that depend on the seed; the test has the same function.
function pattern(size, seed) {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >> 8) + seed) & 255;
  return bytes;
}

// bytes gives a received message as bytes, whatever it is.
function bytes(data) {
  return typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data);
}

// sha256 gives the digest in hexadecimal.
async function sha256(data) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', data));
  return [...digest].map((b) => b.toString(16).padStart(2, '0')).join('');
}

// randomPieces gives pieces of random bytes that are size bytes together.
function randomPieces(size, pieceSize) {
  const pieces = [];
  for (let left = size; left > 0; left -= pieceSize) {
    pieces.push(crypto.getRandomValues(new Uint8Array(Math.min(left, pieceSize))));
  }
  return pieces;
}

// joined gives the bytes of the pieces one after the other.
async function joined(pieces) {
  return new Blob(pieces).arrayBuffer();
}
