// The page provides two classes for the scripts of a test: Peer, an RTCPeerConnection with signalling, and Channel, a data
// channel whose events can be awaited. Each wait has a deadline, which within() sets.
'use strict';

// patience is the limit in milliseconds of a wait for an event without delay. It is shorter than the test's limit for a
// script, so that the error names the missing event.
const patience = 15000;

// within returns the value of the promise. It fails after a time with an error that names the missing event.
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

// A Slot is a promise with its resolve function.
class Slot {
  constructor() {
    this.promise = new Promise((resolve) => { this.resolve = resolve; });
  }
}

class Channel {
  constructor(dc) {
    this.dc = dc;
    dc.binaryType = 'arraybuffer';
    this.events = [];       // of every kind except message
    this.onMessage = null;  // if set, it is called with each message, and nothing is queued
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
    // A channel from ondatachannel can already be open before the listeners are added.
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

  // closed returns the time of the close event.
  closed(time) { return within(this.slots.close.promise, `close event of ${this.label}`, time); }

  // next returns the next message: a string or an ArrayBuffer.
  next() {
    if (this.queue.length > 0) return Promise.resolve(this.queue.shift());
    return within(new Promise((resolve) => this.waiting.push(resolve)), `message on ${this.label}`);
  }

  send(data) { this.dc.send(data); }

  // echo sends back the queued messages and all later ones.
  echo() {
    this.onMessage = (data) => this.dc.send(data);
    for (const data of this.queue.splice(0)) this.onMessage(data);
  }

  // sendAll sends the pieces, with about 1 MiB buffered in the browser at most.
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

  // properties returns the properties that must be equal on both sides.
  properties() {
    const {label, protocol, ordered, maxRetransmits, maxPacketLifeTime, negotiated, id} = this.dc;
    return {label, protocol, ordered, maxRetransmits, maxPacketLifeTime, negotiated, id};
  }
}

class Peer {
  // send delivers a signal, {description} or {candidate}, to the other side. Without trickle ICE, candidates are not sent,
  // and a description is sent when it has all candidates.
  constructor(send, {withoutTrickle = false, certificates, bundlePolicy} = {}) {
    this.pc = new RTCPeerConnection({certificates, bundlePolicy});
    this.sendSignal = send;
    this.trickle = !withoutTrickle;
    this.states = [];        // all connection states, in order
    this.candidates = [];    // the local ones
    this.channels = new Map();
    this.expected = new Map();
    this.inbox = Promise.resolve();
    this.failure = null;     // an error in signalling
    this.ignoring = false;   // true after an ignored offer, whose candidates are ignored too
    this.ignored = 0;        // the number of ignored offers
    this.negotiations = 0;   // the number of answered offers

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

  // enqueue runs an action after all earlier ones have completed: signalling is sequential.
  #enqueue(action) {
    this.inbox = this.inbox.then(action).catch((e) => {
      this.failure = e;
      console.error(`signalling: ${e}`);
    });
  }

  // describe sets the local description, an offer or an answer depending on the signaling state, and sends it.
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

  // signal handles a signal of the other side. If both sides make an offer at once, this side ignores the other's: it is
  // the impolite peer of the perfect negotiation example in the W3C specification.
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

  // open creates a channel; it does not wait until the channel is open.
  open(label, init) {
    const c = new Channel(this.pc.createDataChannel(label, init));
    this.channels.set(label, c);
    return c;
  }

  // accepted waits until a channel of the other side is open, and returns it.
  async accepted(label) {
    const c = await within(this.#expect(label).promise, `channel ${label} from the other side`);
    await c.opened();
    return c;
  }

  channel(label) { return this.channels.get(label); }

  // reached waits until the connection has been in a state. It returns at once if it was in the state before.
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

  // negotiated waits until a number of offers have been answered.
  async negotiated(times) {
    const late = performance.now() + patience;
    while (this.negotiations < times || this.pc.signalingState !== 'stable') {
      if (this.failure) throw this.failure;
      if (performance.now() > late) throw new Error(`${this.negotiations} negotiations, not ${times}; ${this.pc.signalingState}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  // sections returns a summary of the media sections in the remote description, such as 'audio inactive,application'.
  sections() {
    return this.pc.remoteDescription.sdp.split(/^m=/m).slice(1).map((section) => {
      const kind = section.split(' ')[0];
      if (/^\S+ 0 /.test(section)) return `${kind} rejected`;
      return kind === 'application' ? kind : `${kind} ${/^a=(sendrecv|sendonly|recvonly|inactive)/m.exec(section)[1]}`;
    }).join();
  }

  // stats returns the statistics of one type.
  async stats(type) {
    return [...(await this.pc.getStats()).values()].filter((s) => s.type === type);
  }
}

// connectToTest returns a peer that exchanges signals with the test's connection at the given URL.
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

// track returns an audio track of silence, or a video track of a still picture.
function track(kind) {
  if (kind === 'audio') return new AudioContext().createMediaStreamDestination().stream.getAudioTracks()[0];
  const canvas = document.createElement('canvas');
  canvas.getContext('2d').fillRect(0, 0, 10, 10);
  return canvas.captureStream(10).getVideoTracks()[0];
}

// connectTwo returns two peers that exchange signals with each other.
function connectTwo(options) {
  const a = new Peer((message) => b.signal(message), options);
  const b = new Peer((message) => a.signal(message), options);
  return [a, b];
}

// pattern returns size bytes that depend on the seed; the test has the same function.
function pattern(size, seed) {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >> 8) + seed) & 255;
  return bytes;
}

// bytes returns the bytes of a received text or binary message.
function bytes(data) {
  return typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data);
}

// sha256 returns the digest in hexadecimal.
async function sha256(data) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', data));
  return [...digest].map((b) => b.toString(16).padStart(2, '0')).join('');
}

// randomPieces returns pieces of random bytes, size bytes in total.
function randomPieces(size, pieceSize) {
  const pieces = [];
  for (let left = size; left > 0; left -= pieceSize) {
    pieces.push(crypto.getRandomValues(new Uint8Array(Math.min(left, pieceSize))));
  }
  return pieces;
}

// joined returns the concatenation of the pieces.
async function joined(pieces) {
  return new Blob(pieces).arrayBuffer();
}
