// A stack with the interface of the W3C specification, in Node.js or in a browser's page. Commands, responses and events are
// objects; stack_peer_test.go describes them.
'use strict';

// high is the limit in bytes of a channel's buffered amount.
const high = 1 << 20;

const crcTable = Uint32Array.from({length: 256}, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

// crc32 continues a checksum with more bytes.
function crc32(bytes, sum) {
  sum = ~sum;
  for (let i = 0; i < bytes.length; i++) sum = crcTable[(sum ^ bytes[i]) & 255] ^ (sum >>> 8);
  return ~sum >>> 0;
}

// pattern returns size bytes that depend on the seed; the test has the same function.
function pattern(size, seed) {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >> 8) + seed) & 255;
  return bytes;
}

function sleep(milliseconds) { return new Promise((resolve) => setTimeout(resolve, milliseconds)); }

// Receiver handles the received messages of one channel in the mode that the test has set.
class Receiver {
  constructor(label, send, tell) {
    Object.assign(this, {label, send, tell, mode: 'report', left: 0, sum: 0});
  }

  setMode({mode, size = 0}) { Object.assign(this, {mode, left: size, sum: 0}); }

  message(data) {
    if (this.mode === 'echo') {
      this.send(data);
      return;
    }
    const text = typeof data === 'string';
    const bytes = text ? new TextEncoder().encode(data) : new Uint8Array(data);
    if (this.mode === 'count') {
      this.left -= bytes.length;
      this.sum = crc32(bytes, this.sum);
      if (this.left <= 0) this.tell({event: 'counted', label: this.label, size: -this.left, sum: this.sum});
    } else {
      this.tell({event: 'message', label: this.label, text, size: bytes.length, sum: crc32(bytes, 0)});
    }
  }
}

// handle executes a command and sends the response.
async function handle(peer, command, tell) {
  try {
    tell({id: command.id, ...(await peer[command.do](command))});
  } catch (e) {
    tell({id: command.id, error: String(e?.message ?? e)});
  }
}

class Peer {
  // With whole, descriptions have all candidates, and there are no candidate events.
  // unset is the stack's value, besides null, of a maxRetransmits or maxPacketLifeTime that is not set.
  constructor({RTCPeerConnection, configuration, whole, tell, unset = null}) {
    this.pc = new RTCPeerConnection(configuration);
    this.whole = whole;
    this.tell = tell;
    this.channels = new Map();
    this.pc.onicecandidate = ({candidate}) => {
      if (!this.whole && candidate) tell({event: 'candidate', candidate: candidate.candidate, mid: candidate.sdpMid});
    };
    this.pc.onconnectionstatechange = () => tell({event: 'state', state: this.pc.connectionState});
    this.pc.ondatachannel = ({channel: dc}) => {
      tell({
        event: 'channel', label: dc.label, protocol: dc.protocol, ordered: dc.ordered, stream: dc.id,
        maxRetransmits: dc.maxRetransmits === unset ? null : dc.maxRetransmits,
        maxPacketLifeTime: dc.maxPacketLifeTime === unset ? null : dc.maxPacketLifeTime,
      });
      this.watch(dc);
    };
  }

  watch(dc) {
    const label = dc.label;
    const receiver = new Receiver(label, (data) => dc.send(data), this.tell);
    this.channels.set(label, {dc, receiver});
    dc.binaryType = 'arraybuffer';
    let open = false;
    const opened = () => {
      if (!open) this.tell({event: 'open', label});
      open = true;
    };
    dc.onopen = opened;
    dc.onclose = () => this.tell({event: 'closed', label});
    dc.onmessage = ({data}) => receiver.message(data);
    if (dc.readyState === 'open') opened();
  }

  async describe(description) {
    await this.pc.setLocalDescription(description);
    while (this.whole && this.pc.iceGatheringState !== 'complete') await sleep(1);
    const {type, sdp} = this.pc.localDescription;
    return {type, sdp};
  }

  async offer({restart}) { return this.describe(await this.pc.createOffer(restart ? {iceRestart: true} : {})); }

  async remote({type, sdp}) {
    await this.pc.setRemoteDescription({type, sdp});
    return type === 'offer' ? this.describe(await this.pc.createAnswer()) : {};
  }

  async candidate({candidate, mid}) { await this.pc.addIceCandidate({candidate, sdpMid: mid}); }

  open({label, protocol, ordered, maxRetransmits, maxPacketLifeTime, negotiated, stream}) {
    const options = {};
    for (const [name, value] of Object.entries({protocol, ordered, maxRetransmits, maxPacketLifeTime, negotiated, id: stream})) {
      if (value !== undefined) options[name] = value;
    }
    this.watch(this.pc.createDataChannel(label, options));
  }

  mode(command) { this.channels.get(command.label).receiver.setMode(command); }

  send({label, text, size, seed}) { this.channels.get(label).dc.send(text ?? pattern(size, seed)); }

  async bulk({label, size, seed, count}) {
    const {dc} = this.channels.get(label);
    const piece = pattern(size, seed);
    for (let i = 0; i < count; i++) {
      while (dc.bufferedAmount > high) await sleep(1);
      dc.send(piece);
    }
  }

  close({label}) { this.channels.get(label).dc.close(); }

  async end() { await this.pc.close(); }
}

if (typeof module === 'object') module.exports = {Peer, Receiver, handle, high, pattern, sleep};
