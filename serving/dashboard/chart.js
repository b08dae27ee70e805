// chart.js: lines and points over time by uPlot, with the time boundary, a cursor that keys move too, and a legend whose texts are elements.
import { el, said, number, clock, clockSeconds, date, moment, zoneInUse } from './text.js';

const live = new Set();
// What lengths of time are cut into, in ms.
const SPANS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 21_600_000, 43_200_000, 86_400_000, 172_800_000, 604_800_000];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const seriesColour = (index) => `--series-${(index % 6) + 1}`;

/** All charts are drawn anew, for the colours or the zone are other ones. */
export function redrawCharts() {
  for (const chart of live) chart.rebuild();
}

function timeAxis(u, splits) {
  const step = splits.length > 1 ? splits[1] - splits[0] : 0;
  let lastDay = null;
  return splits.map((at) => {
    const ms = at * 1000;
    const day = date(ms);
    const time = step >= 86_400 ? '' : step < 60 ? clockSeconds(ms) : clock(ms);
    const isNew = day !== lastDay;
    lastDay = day;
    return isNew ? (time === '' ? day : `${time}\n${day}`) : time === '' ? day : time;
  });
}

export class Chart {
  #host; #plot = null; #shape = ''; #now = null; #observer; #tip; #readout; #parts = null; #at = null;

  /** `label`: what the picture shows, for those who do not see it. */
  constructor(label, { height = 220 } = {}) {
    this.height = height;
    this.#readout = el('p.unseen', { role: 'status' });
    this.#host = el('div.plot', { tabindex: '0', role: 'group', 'aria-roledescription': 'chart', 'aria-label': label, onkeydown: (event) => this.#key(event), onblur: () => { this.#at = null; this.#plot?.setCursor({ left: -10, top: -10 }); } });
    this.element = el('div.chart', {}, this.#host, this.#readout, this.legend = el('ul.legend'));
    this.#observer = new ResizeObserver(() => this.#resize());
    this.#observer.observe(this.#host);
    live.add(this);
  }

  set label(text) {
    if (this.#host.getAttribute('aria-label') !== text) this.#host.setAttribute('aria-label', text);
  }

  /** {x: [s], series: [{name, values, colour: '--…', dash, area, points, hidden}], unit, boundary: ms|null, band: {low, high}|null, from, to: ms, isLegend} */
  show(now) {
    this.#now = now;
    const shape = JSON.stringify([now.series.map(({ name, colour: c, dash, area, points }) => [name, c, dash, area, points]), now.unit, now.log]);
    if (this.#plot === null || shape !== this.#shape) {
      this.#shape = shape;
      this.rebuild();
    } else {
      this.#plot.setData([now.x, ...now.series.map(({ values }) => values)]);
    }
  }

  close() {
    this.#observer.disconnect();
    this.#plot?.destroy();
    live.delete(this);
  }

  #resize() {
    const width = this.#host.clientWidth;
    if (this.#plot !== null && width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: this.height });
    else if (this.#plot === null && this.#now !== null) this.rebuild();
  }

  rebuild() {
    const now = this.#now;
    const width = this.#host.clientWidth;
    if (now === null || width === 0) return;
    this.#plot?.destroy();
    const ink = colour('--soft');
    const line = colour('--line');
    const font = '12px system-ui, sans-serif';
    const drawn = ({ name, colour: c, dash, area, points, width: thick = 2 }) => {
      const stroke = colour(c);
      return {
        label: name, stroke, width: points ? 0 : thick, dash: dash ? [5, 4] : undefined, spanGaps: false,
        paths: points ? () => null : undefined,
        points: points ? { show: true, size: points, fill: `${stroke}`, stroke, width: 0 } : { show: (u, s, i0, i1) => i1 - i0 < 2 },
        fill: area ? (u) => {
          const top = u.bbox.top;
          const fill = u.ctx.createLinearGradient(0, top, 0, top + u.bbox.height);
          fill.addColorStop(0, `${stroke}55`);
          fill.addColorStop(1, `${stroke}05`);
          return fill;
        } : undefined,
      };
    };
    const y = { font, stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, border: { show: false }, size: 58, gap: 6, incrs: now.unit === 'ms' ? SPANS : undefined, values: (u, splits) => splits.map((v) => (v === null ? '' : number(v, now.unit, true))) };
    const x = { font, stroke: ink, grid: { show: false }, ticks: { stroke: line, width: 1, size: 4 }, border: { stroke: line, width: 1, show: true }, size: 42, space: 70, values: timeAxis };
    this.#tip = el('div.tip', { hidden: true });
    this.#parts = { provisional: el('div.provisional'), boundary: el('div.boundary', {}, el('span.before', {}, 'reconciled'), el('span.after', {}, 'provisional')), band: el('div.normal') };
    const zone = zoneInUse();
    this.#plot = new uPlot({
      width, height: this.height, padding: [18, 22, 0, 0], tzDate: (at) => uPlot.tzDate(new Date(at * 1000), zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone),
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7, width: 2, fill: colour('--card') } },
      scales: {
        x: { time: true, range: (u, low, high) => this.#range(low, high) },
        y: { range: (u, low, high) => [Math.min(0, low ?? 0), Math.max(this.#now.band?.high ?? 0, high ?? 0, this.#now.unit ? 0 : 4) * 1.08 || 1] },
      },
      axes: [x, y],
      series: [{}, ...now.series.map(drawn)],
      hooks: { draw: [(u) => this.#place(u)], setCursor: [(u) => this.#point(u)] },
    }, [now.x, ...now.series.map(({ values }) => values)], this.#host);
    this.#plot.under.append(this.#parts.band, this.#parts.provisional);
    this.#plot.over.append(this.#parts.boundary, this.#tip);
    this.#place(this.#plot);
    this.legend.replaceChildren(...now.series.filter(({ legend }) => legend !== false).map(({ name, colour: c, dash, points }) => {
      const mark = el(`span.mark${dash ? '.dash' : ''}${points ? '.dot' : ''}`);
      mark.style.setProperty('--mark', `var(${c})`);
      return el('li', {}, mark, said(name, 60));
    }));
    this.legend.hidden = this.legend.children.length < 2;
  }

  #range(low, high) {
    const { from, to, boundary } = this.#now;
    // A boundary that is just behind the newest window is shown, too.
    if (boundary && high && boundary / 1000 > high && boundary / 1000 - high < (high - low) / 10) high = boundary / 1000;
    const least = from ? Math.min(from / 1000, low ?? Infinity) : (low ?? 0);
    const most = to ? Math.max(to / 1000, high ?? 0) : (high ?? 1);
    return least < most ? [least, most] : [least - 60, most + 60];
  }

  /** The line between what batch has published and what the stream alone has told. */
  #place(u) {
    const { boundary, band } = this.#now;
    const { provisional, boundary: line, band: normal } = this.#parts ?? {};
    if (!line) return;
    const width = u.over.clientWidth;
    const at = boundary === null || boundary === undefined ? 0 : u.valToPos(boundary / 1000, 'x');
    const inside = boundary !== null && boundary !== undefined && at >= 0 && at <= width + 1;
    line.hidden = !inside;
    line.style.left = `${at}px`;
    line.classList.toggle('right', at > width - 90);
    line.classList.toggle('left', at < 90);
    provisional.hidden = boundary === undefined || at >= width;
    provisional.style.left = `${Math.max(0, at)}px`;
    this.element.dataset.boundary = inside ? String(boundary) : '';
    normal.hidden = !band;
    if (band) {
      const [top, bottom] = [u.valToPos(band.high, 'y'), u.valToPos(band.low, 'y')];
      normal.style.top = `${Math.max(0, top)}px`;
      normal.style.height = `${Math.max(0, bottom - Math.max(0, top))}px`;
    }
  }

  #point(u, index = u.cursor.left < 0 ? null : u.cursor.idx) {
    const { x, series, unit, boundary } = this.#now;
    if (index === null || index === undefined) {
      this.#tip.hidden = true;
      return;
    }
    this.#at = index;
    const shown = series.map(({ name, values, tip }) => [name, tip ? tip(index) : values[index]]).filter(([, v]) => v !== null && v !== undefined);
    const state = boundary === null || boundary === undefined ? null : x[index] * 1000 <= boundary ? 'reconciled' : 'provisional';
    this.#tip.replaceChildren(el('strong', {}, moment(x[index] * 1000)), ...shown.map(([name, v]) => el('span', {}, said(name, 40), ` ${typeof v === 'string' ? v : number(v, unit)}`)), state ? el('em', {}, state) : '');
    this.#tip.hidden = shown.length === 0;
    const left = u.valToPos(x[index], 'x');
    this.#tip.style.left = `${left}px`;
    this.#tip.classList.toggle('flip', left > u.over.clientWidth / 2);
  }

  #key(event) {
    const { x } = this.#now ?? { x: [] };
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
    if (!(event.key in moves) || x.length === 0 || this.#plot === null) return;
    event.preventDefault();
    const last = x.length - 1;
    const at = this.#at ?? (moves[event.key] > 0 ? -1 : x.length);
    const index = Math.max(0, Math.min(last, at + moves[event.key]));
    this.#plot.setCursor({ left: this.#plot.valToPos(x[index], 'x'), top: 10 });
    this.#point(this.#plot, index); // what is read out does not wait for the plot's own cursor
    this.#readout.textContent = [...this.#tip.children].map((part) => part.textContent).join(', ');
  }
}

const SVG = 'http://www.w3.org/2000/svg';

/** A small line without axes; decoration beside a number. */
export function sparkline(values, { width = 96, height = 26 } = {}) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('class', 'spark');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('preserveAspectRatio', 'none');
  const numbers = values.map((v) => v ?? 0);
  const top = Math.max(1e-9, ...numbers);
  const at = (v, i) => `${((i / Math.max(1, numbers.length - 1)) * (width - 2) + 1).toFixed(1)} ${(height - 2 - (v / top) * (height - 4)).toFixed(1)}`;
  const line = numbers.map(at).join('L');
  for (const [name, d] of [['area', `M1 ${height}L${line}L${width - 1} ${height}Z`], ['line', `M${line}`]]) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('class', name);
    path.setAttribute('d', d);
    svg.append(path);
  }
  return svg;
}
