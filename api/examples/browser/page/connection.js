// A Connection is one connection to the program: the WebSocket for signalling, the RTCPeerConnection, and four data
// channels.

// closingTime is the time to wait for the reason of a close, in milliseconds.
const closingTime = 200;

export class Connection {
  // onStep is called after each step, with its name and the milliseconds since the beginning. onOpen is called once, after
  // all steps. onEnd is called once, with the reason, when the connection has ended or could not be established.
  constructor({onStep, onOpen, onEnd}) {
    this.begun = performance.now();
    this.reached = new Set();
    this.callbacks = {onStep, onOpen, onEnd};

    const pc = this.pc = new RTCPeerConnection();
    this.chat = pc.createDataChannel('chat');
    // A late ping would not be a measurement of the network.
    this.ping = pc.createDataChannel('ping', {ordered: false, maxRetransmits: 0});
    this.bulk = pc.createDataChannel('bulk');
    this.stats = pc.createDataChannel('stats');
    this.channels = [this.chat, this.ping, this.bulk, this.stats];
    for (const channel of this.channels) {
      channel.binaryType = 'arraybuffer';
      channel.addEventListener('open', () => this.#updateSteps());
      // The close frame of the WebSocket may be about to arrive with the reason.
      channel.addEventListener('close', () => setTimeout(() => this.end('the connection was closed'), closingTime));
    }
    for (const event of ['signalingstatechange', 'iceconnectionstatechange', 'connectionstatechange']) {
      pc.addEventListener(event, () => this.#updateSteps());
    }

    const url = new URL('signal', location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const ws = this.ws = new WebSocket(url);
    ws.addEventListener('open', () => {
      this.#step('websocket');
      this.#offer().catch((error) => this.end(error.message));
    });
    ws.addEventListener('message', ({data}) => {
      this.#receiveSignal(JSON.parse(data)).catch((error) => this.end(error.message));
    });
    ws.addEventListener('close', ({reason}) => this.end(reason || 'the program is not there'));
    pc.addEventListener('icecandidate', ({candidate}) => candidate && this.#sendSignal(candidate));
    // Further offers, if the browser needs any.
    pc.addEventListener('negotiationneeded', () => this.reached.has('websocket') && this.#offer());
  }

  #sendSignal(signal) {
    if (this.ws.readyState === WebSocket.OPEN) this.ws.send(JSON.stringify(signal));
  }

  async #offer() {
    const {pc} = this;
    if (pc.signalingState !== 'stable') return;
    await pc.setLocalDescription();
    this.#sendSignal(pc.localDescription);
    // These two exist from the first description on.
    pc.sctp?.addEventListener('statechange', () => this.#updateSteps());
    pc.sctp?.transport.addEventListener('statechange', () => this.#updateSteps());
  }

  // A signal is a description, {type, sdp}, or a candidate, {candidate, sdpMid}.
  async #receiveSignal(signal) {
    const {pc} = this;
    if (signal.type) {
      // If two offers cross, that of the page is used; the program rolls its own back.
      if (signal.type === 'offer' && pc.signalingState !== 'stable') return;
      await pc.setRemoteDescription(signal);
      if (signal.type === 'offer') {
        await pc.setLocalDescription();
        this.#sendSignal(pc.localDescription);
      }
    } else {
      await pc.addIceCandidate(signal);
    }
  }

  // #updateSteps determines the steps that are done. Some browsers have no events for some steps, but later steps imply
  // earlier ones.
  #updateSteps() {
    const {pc} = this;
    if (pc.connectionState === 'failed') return this.end('no pair of addresses works');
    const open = this.channels.every((channel) => channel.readyState === 'open');
    const sctp = open || pc.sctp?.state === 'connected';
    const dtls = sctp || pc.connectionState === 'connected' || pc.sctp?.transport.state === 'connected';
    const ice = dtls || pc.iceConnectionState === 'connected' || pc.iceConnectionState === 'completed';
    if (pc.remoteDescription) this.#step('description');
    if (ice) this.#step('ice');
    if (dtls) this.#step('dtls');
    if (sctp) this.#step('sctp');
    if (open && !this.reached.has('channels')) {
      this.#step('channels');
      this.callbacks.onOpen();
    }
  }

  #step(name) {
    if (this.reached.has(name)) return;
    this.reached.add(name);
    this.callbacks.onStep(name, performance.now() - this.begun);
  }

  // fingerprint returns the hash algorithm and the hash of the program's certificate.
  fingerprint() {
    return /^a=fingerprint:(\S+) (\S+)/m.exec(this.pc.remoteDescription?.sdp)?.slice(1) ?? [];
  }

  end(reason) {
    if (this.ended) return;
    this.ended = true;
    this.ws.close();
    this.pc.close();
    this.callbacks.onEnd(reason);
  }
}
