// The user interface of the page. The connection is in connection.js.

import {Chart} from './chart.js';
import {Chat} from './chat.js';
import {Connection} from './connection.js';
import {Load} from './load.js';

const span = 30000;         // of the charts, in milliseconds
const interval = 200;       // between two readings of the counters
const pingInterval = 200;
const settling = 1000;      // after the end of the traffic, until a round trip counts as idle
const periods = {idle: 3000, loaded: 1000};  // of the medians of round trips
const maxRetryDelay = 8000;

const $ = (selector) => document.querySelector(selector);
const show = (id, text) => {
  const element = $(`#${id}`);
  if (element.textContent !== text) element.textContent = text;
};

const rates = new Chart($('#rates'), {
  colors: ['--down', '--up'], span, ticks: 4, smallestTop: 1e6,
  format: (value, topmost) => `${+(value / 1e6).toFixed(2)}${topmost ? ' MB/s' : ''}`,
});
const rtts = new Chart($('#rtts'), {colors: ['--rtt'], span, smallestTop: 1});
const chat = new Chat();
const form = $('#load');
const run = $('#run');

let connection, load, upload, rateOf, echoes, idleTime, loadedTime, retryDelay = 500;
let running = false;        // the user has started the traffic
let busy = false;           // there is traffic
let busyUntil = -Infinity;  // when the traffic last ended

// connect begins a connection. When that ends, onEnd schedules the next one.
function connect() {
  document.body.dataset.state = 'connecting';
  show('status', 'Connecting');
  for (const li of document.querySelectorAll('#steps li')) {
    li.className = '';
    li.querySelector('time').textContent = '';
  }
  $('#steps li').className = 'current';
  connection = new Connection({onStep, onOpen, onEnd});
  load = new Load(connection.bulk);
  upload = null;
  rateOf = {down: new Rate(), up: new Rate()};
  echoes = {idle: [], loaded: []};
  idleTime = loadedTime = null;
  connection.stats.addEventListener('message', ({data}) => { onReport(JSON.parse(data)); });
  connection.ping.addEventListener('message', ({data}) => onEcho(...new Float64Array(data)));
  chat.attach(connection.chat);
}

function onStep(name, after) {
  const li = $(`#step-${name}`);
  li.className = 'done';
  li.querySelector('time').textContent = `${after.toFixed(after < 9.95 ? 1 : 0)} ms`;
  // The next step is the first that is not done; the steps do not always end in order.
  for (const other of document.querySelectorAll('#steps .current')) other.className = '';
  const next = $('#steps li:not(.done)');
  if (next) next.className = 'current';
}

function onOpen() {
  document.body.dataset.state = 'connected';
  show('status', `Connected in ${Math.round(performance.now() - connection.begun)} ms`);
  retryDelay = 500;
  const [algorithm, hash] = connection.fingerprint();
  if (hash) {
    show('fingerprint', `${algorithm} ${hash.slice(0, 11)}…`);
    $('#fingerprint').title = hash;
  }
  run.disabled = false;
}

function onEnd(reason) {
  document.body.dataset.state = 'lost';
  setRunning(false);  // the next connection begins without traffic, like the first
  run.disabled = true;
  const wait = retryDelay;
  retryDelay = Math.min(2 * retryDelay, maxRetryDelay);
  show('status', 'Not connected, trying again');
  chat.attach(null);
  chat.event(`Not connected: ${reason}.`);
  show('pages', '');
  setTimeout(connect, wait);
}

// setRunning starts and stops the traffic.
function setRunning(on) {
  running = on;
  run.classList.toggle('on', on);
  run.textContent = on ? 'Stop traffic' : 'Start traffic';
  adjust();
}

// adjust sets the load to that of the form; a hidden page has none.
function adjust() {
  const size = Number(form.elements.size.value);
  const wanted = (name) => running && form.elements[name].checked && !document.hidden ? size : 0;
  const [down, up] = [wanted('down'), wanted('up')];
  load.set({down, up});
  if (busy && !down && !up) busyUntil = performance.now();
  busy = down > 0 || up > 0;
  if (busy) $('#invitation').hidden = true;
}
run.addEventListener('click', () => setRunning(!running));
form.addEventListener('change', adjust);
document.addEventListener('visibilitychange', adjust);

// A Rate computes bytes per second from readings of a counter, over the last second: short enough to be current, and
// long enough to be readable.
class Rate {
  constructor() { this.readings = []; }

  read(at, count) {
    const {readings} = this;
    readings.push({at, count});
    while (readings.length > 2 && readings[1].at <= at - 1000) readings.shift();
  }

  get value() {
    const {readings} = this;
    const [first, last] = [readings[0], readings.at(-1)];
    return readings.length > 1 ? (last.count - first.count) / (last.at - first.at) * 1000 : 0;
  }
}

// onReport handles a report of the program. The bytes that the program has received count as sent by the page.
function onReport(report) {
  upload = {at: performance.now(), total: report.received};
  rateOf.up.read(report.at * 1000, report.received);
  showEnd('local', report.local);
  showEnd('remote', report.remote);
  show('cipher', report.cipherSuite.replace(/^TLS_|_SHA\d+$/g, '').replaceAll('_', ' ').replace(' WITH ', ', '));
  show('control', controls[report.congestionControl] ?? report.congestionControl);
  show('window', bytes(report.congestionWindow));
  show('smoothed', milliseconds(report.rtt * 1000));
  show('packets', report.packets.toLocaleString('en'));
  show('retransmissions', resent(report));
  show('pages', report.pages === 1 ? '1 page open' : `${report.pages} pages open`);
}

// resent returns the share of retransmitted chunks, or their number if there are too few for a meaningful share.
function resent({chunks, retransmissions}) {
  if (retransmissions === 0) return 'nothing';
  if (chunks < 1000) return `${retransmissions} of ${chunks} chunks`;
  return `${digits(retransmissions / chunks * 100)} % of ${chunks.toLocaleString('en')} chunks`;
}

const controls = {bbr: 'BBR', cubic: 'CUBIC', newreno: 'NewReno'};
const types = {host: 'host', srflx: 'server-reflexive', prflx: 'peer-reflexive', relay: 'relayed'};

function showEnd(id, {addr, type}) {
  const element = $(`#${id}`);
  if (element.dataset.value === addr + type) return;
  element.dataset.value = addr + type;
  const small = document.createElement('small');
  small.textContent = `${types[type] ?? type} `;
  element.replaceChildren(small, addr);
}

// onEcho records a round trip. It counts as idle if there was no traffic at its beginning or shortly before, in whose
// queues it would have waited.
function onEcho(sentAt, loaded) {
  const at = performance.now();
  const time = at - sentAt;
  if (loaded) echoes.loaded.push({at, time});
  else if (!busy && sentAt - busyUntil > settling) echoes.idle.push({at, time});
}

// median returns the median time of a sample of echoes, in milliseconds; null: there are none.
function median(sample) {
  const sorted = sample.map(({time}) => time).sort((a, b) => a - b);
  return sorted.length ? sorted[sorted.length >> 1] : null;
}

setInterval(() => {
  if (connection.ping.readyState === 'open') connection.ping.send(new Float64Array([performance.now(), Number(busy)]));
}, pingInterval);

setInterval(() => {
  const now = performance.now();
  rateOf.down.read(now, load.received);
  const down = rateOf.down.value;
  // Without recent reports the rate is unknown, and shown as 0.
  const up = upload && now - upload.at < 2000 ? rateOf.up.value : 0;
  showRate('down', down, load.received);
  showRate('up', up, upload?.total ?? 0);
  rates.add(now, [down, up]);

  for (const [kind, period] of Object.entries(periods)) echoes[kind] = echoes[kind].filter(({at}) => at > now - period);
  const [idle, loaded] = [median(echoes.idle), median(echoes.loaded)];
  // Without new measurements the last ones remain.
  idleTime = idle ?? idleTime;
  loadedTime = loaded ?? loadedTime;
  showTime('rtt', idleTime);
  showTime('rtt-loaded', loadedTime);
  if (idle !== null || loaded !== null || rtts.points.length) rtts.add(now, [loaded ?? idle]);
  rates.draw(now);
  rtts.draw(now);
}, interval);

function showTime(id, time) {
  $(`#${id}`).value = time ?? '';
  show(id, time === null ? '–' : digits(time));
}

function showRate(id, rate, total) {
  $(`#${id}`).value = Math.round(rate);
  show(id, digits(rate / 1e6));
  show(`${id}-total`, `${bytes(total)} in all`);
}

// digits formats a number with about three digits.
function digits(n) {
  return n.toFixed(n < 9.995 ? 2 : n < 99.95 ? 1 : 0);
}

function milliseconds(n) {
  return n ? `${digits(n)} ms` : '–';
}

function bytes(n) {
  for (const [unit, size] of [['GB', 1e9], ['MB', 1e6], ['kB', 1e3]]) {
    if (n >= size) return `${digits(n / size)} ${unit}`;
  }
  return `${n} bytes`;
}

connect();
