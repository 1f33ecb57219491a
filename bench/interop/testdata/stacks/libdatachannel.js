// libdatachannel, through its own interface. The commands and events are those of w3c_peer.js.
'use strict';
const {PeerConnection} = require('node-datachannel');
const {Receiver, high, pattern, sleep} = require('./w3c_peer.js');

class LibdatachannelPeer {
  constructor({addresses, whole, tell}) {
    this.pc = new PeerConnection('peer', {
      iceServers: [], disableAutoNegotiation: true,
      // It binds to one address or to all addresses. With all, it gathers no loopback addresses.
      bindAddress: addresses.length === 1 ? addresses[0] : undefined,
    });
    this.whole = whole;
    this.tell = tell;
    this.channels = new Map();
    this.described = []; // resolve functions of the calls that wait for a description
    this.pc.onLocalDescription((sdp, type) => this.described.shift()({sdp, type}));
    this.pc.onLocalCandidate((candidate, mid) => {
      if (!whole) tell({event: 'candidate', candidate: candidate.replace(/^a=/, ''), mid});
    });
    this.pc.onStateChange((state) => tell({event: 'state', state}));
    this.pc.onDataChannel((dc) => {
      // Its binding for Node.js does not report the reliability of a channel.
      tell({event: 'channel', label: dc.getLabel(), protocol: dc.getProtocol(), stream: dc.getId()});
      this.watch(dc);
    });
  }

  watch(dc) {
    const label = dc.getLabel();
    const send = (data) => (typeof data === 'string' ? dc.sendMessage(data) : dc.sendMessageBinary(new Uint8Array(data)));
    const receiver = new Receiver(label, send, this.tell);
    this.channels.set(label, {dc, send, receiver});
    let open = false;
    const opened = () => {
      if (!open) this.tell({event: 'open', label});
      open = true;
    };
    dc.onOpen(opened);
    dc.onClosed(() => this.tell({event: 'closed', label}));
    dc.onMessage((data) => receiver.message(data));
    if (dc.isOpen()) opened();
  }

  async describe(type) {
    const described = new Promise((resolve) => this.described.push(resolve));
    this.pc.setLocalDescription(type);
    const description = await described;
    if (!this.whole) return description;
    while (this.pc.gatheringState() !== 'complete') await sleep(1);
    return this.pc.localDescription();
  }

  offer() { return this.describe('offer'); }

  remote({type, sdp}) {
    this.pc.setRemoteDescription(sdp, type);
    return type === 'offer' ? this.describe('answer') : {};
  }

  candidate({candidate, mid}) {
    if (candidate) this.pc.addRemoteCandidate(candidate, mid);
  }

  open({label, protocol, ordered, maxRetransmits, maxPacketLifeTime, negotiated, stream}) {
    const options = {unordered: ordered === false};
    for (const [name, value] of Object.entries({protocol, maxRetransmits, maxPacketLifeTime, negotiated, id: stream})) {
      if (value !== undefined) options[name] = value;
    }
    this.watch(this.pc.createDataChannel(label, options));
  }

  mode(command) { this.channels.get(command.label).receiver.setMode(command); }

  send({label, text, size, seed}) { this.channels.get(label).send(text ?? pattern(size, seed)); }

  async bulk({label, size, seed, count}) {
    const {dc, send} = this.channels.get(label);
    const piece = pattern(size, seed);
    for (let i = 0; i < count; i++) {
      while (dc.bufferedAmount() > high) await sleep(1);
      send(piece);
    }
  }

  close({label}) { this.channels.get(label).dc.close(); }

  end() { this.pc.close(); }
}

module.exports = {LibdatachannelPeer};
