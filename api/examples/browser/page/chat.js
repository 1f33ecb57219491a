// Chat shows the received messages and sends the user's. The channel changes with each connection.

// maxLines is the number of lines that remain visible.
const maxLines = 200;

export class Chat {
  constructor() {
    this.lines = document.querySelector('#lines');
    this.form = document.querySelector('#say');
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      const input = this.form.elements.text;
      this.#send(input.value.trim());
      input.value = '';
    });
    for (const hint of document.querySelectorAll('.hints button')) {
      hint.addEventListener('click', () => this.#send(hint.textContent));
    }
    this.attach(null);
  }

  // attach sets the channel to use; null: none.
  attach(channel) {
    this.channel = channel;
    const button = this.form.querySelector('button');
    button.disabled = true;
    channel?.addEventListener('open', () => { button.disabled = false; });
    channel?.addEventListener('message', ({data}) => {
      const {from, text, you} = JSON.parse(data);
      if (you) this.name = you;
      this.show(text, from);
    });
  }

  #send(text) {
    if (!text || this.channel?.readyState !== 'open') return;
    this.channel.send(text);
    this.show(text, this.name, true);
  }

  // event shows an event, unless the last line is the same.
  event(text) {
    if (this.lines.lastChild?.textContent !== text) this.show(text);
  }

  // show adds a line; without a name it is an event.
  show(text, name, own = false) {
    const {lines} = this;
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
    const p = document.createElement('p');
    p.className = own ? 'own' : name ? '' : 'event';
    if (name && !own) {
      const b = document.createElement('b');
      b.textContent = name;
      p.append(b);
    }
    p.append(text);
    lines.append(p);
    if (lines.children.length > maxLines) lines.firstChild.remove();
    if (atEnd || own) lines.scrollTop = lines.scrollHeight;
  }
}
