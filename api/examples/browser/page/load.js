// Load keeps the bulk channel busy in the selected directions, and counts the received bytes.

// highWater is the maximum buffered amount of the channel, in bytes; at lowWater it is filled up again.
const highWater = 1 << 20;
const lowWater = 1 << 18;

export class Load {
  constructor(channel) {
    this.channel = channel;
    this.received = 0;  // bytes
    this.message = null;
    channel.bufferedAmountLowThreshold = lowWater;
    channel.addEventListener('bufferedamountlow', () => this.#fill());
    channel.addEventListener('message', ({data}) => { this.received += data.byteLength; });
  }

  // set sets the size of the messages in each direction; 0: no messages.
  set({down, up}) {
    if (this.channel.readyState !== 'open') return;
    if (this.asked !== down) this.channel.send(String(this.asked = down));
    this.message = up ? new Uint8Array(up) : null;
    this.#fill();
  }

  #fill() {
    const {channel, message} = this;
    while (message && channel.readyState === 'open' && channel.bufferedAmount + message.length <= highWater) {
      channel.send(message);
    }
  }
}
