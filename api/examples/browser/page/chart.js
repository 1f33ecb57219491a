// A Chart draws lines over the recent time on a canvas, with the newest values at the right.

const fontStack = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';

export class Chart {
  // colors are names of CSS custom properties, one for each line. span is the time shown, in milliseconds. ticks is the
  // number of labelled lines; format returns a label for a value, and its second argument is true for the topmost one.
  constructor(canvas, {colors, span, ticks = 0, format = String, smallestTop}) {
    Object.assign(this, {canvas, colors, span, ticks, format, smallestTop});
    this.points = [];  // {at, values}
    this.top = smallestTop;
  }

  add(at, values) {
    this.points.push({at, values});
    // One point more than is visible, for the line that enters at the left edge.
    while (this.points.length > 2 && this.points[1].at < at - this.span) this.points.shift();
  }

  draw(now) {
    const {canvas} = this;
    const {width, height} = canvas.getBoundingClientRect();
    if (!width || !height) return;
    const scale = devicePixelRatio;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const g = canvas.getContext('2d');
    g.setTransform(scale, 0, 0, scale, 0, 0);
    g.clearRect(0, 0, width, height);

    const step = this.#scale();
    const plot = {left: 0, right: width - (this.ticks ? 68 : 6), top: 8, bottom: height - (this.ticks ? 20 : 3)};
    const x = (at) => plot.right - (now - at) / this.span * (plot.right - plot.left);
    const y = (value) => plot.bottom - Math.min(value / this.top, 1) * (plot.bottom - plot.top);

    g.lineWidth = 1;
    g.font = `11.5px ${fontStack}`;
    g.fillStyle = resolve('--soft');
    g.strokeStyle = resolve('--line');
    if (this.ticks) {
      g.textBaseline = 'middle';
      g.textAlign = 'left';
      for (let value = 0; value <= this.top * 1.001; value += step) {
        const line = Math.round(y(value)) + .5;
        g.beginPath();
        g.moveTo(plot.left, line);
        g.lineTo(plot.right, line);
        g.stroke();
        g.fillText(this.format(value, value + step > this.top * 1.001), plot.right + 10, line);
      }
      g.textBaseline = 'bottom';
      for (let ago = 0; ago <= this.span; ago += 10000) {
        g.textAlign = ago === 0 ? 'right' : ago === this.span ? 'left' : 'center';
        g.fillText(ago === 0 ? 'now' : `−${ago / 1000} s`, x(now - ago), height);
      }
    }

    g.save();
    g.beginPath();
    g.rect(plot.left, 0, plot.right - plot.left + 6, height);
    g.clip();
    g.lineJoin = 'round';
    for (const [i, name] of this.colors.entries()) {
      const line = new Path2D();
      let first, last;
      for (const {at, values} of this.points) {
        const value = values[i];
        if (value === null) continue;
        last = [x(at), y(value)];
        if (!first) line.moveTo(...(first = last));
        else line.lineTo(...last);
      }
      if (!last) continue;
      const area = new Path2D(line);
      area.lineTo(last[0], plot.bottom);
      area.lineTo(first[0], plot.bottom);
      const fill = g.createLinearGradient(0, plot.top, 0, plot.bottom);
      g.globalAlpha = .22;
      const color = resolve(name);
      fill.addColorStop(0, color);
      fill.addColorStop(1, color.replace('rgb(', 'rgba(').replace(')', ', 0)'));
      g.fillStyle = fill;
      g.fill(area);
      g.globalAlpha = 1;
      g.lineWidth = 2;
      g.strokeStyle = g.fillStyle = color;
      g.stroke(line);
      g.beginPath();
      g.arc(...last, 3.5, 0, 2 * Math.PI);
      g.fill();
    }
    g.restore();
  }

  // #scale sets the top to a multiple of the distance between ticks, so that it changes rarely, and returns that
  // distance: 1, 2, 2.5 or 5 times a power of ten.
  #scale() {
    let largest = this.smallestTop;
    for (const {values} of this.points) largest = Math.max(largest, ...values);
    if (!this.ticks) {
      this.top = largest * 1.08;
      return;
    }
    const rough = largest * 1.08 / this.ticks;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].find((n) => n * power >= rough) * power;
    this.top = step * Math.ceil(largest * 1.08 / step);
    return step;
  }
}

// resolve returns the colour of a custom property in a form that a canvas accepts: browsers resolve light-dark() only in
// properties of elements, such as color.
const probes = new Map();
function resolve(name) {
  let probe = probes.get(name);
  if (!probe) {
    probe = document.createElement('i');
    probe.hidden = true;
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    probes.set(name, probe);
  }
  return getComputedStyle(probe).color;
}
