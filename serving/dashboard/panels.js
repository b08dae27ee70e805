// panels.js: the panels: each shows a view as a picture and as a table, and is drawn again when rows of it change.
import { el, swap, said, legible, number, short, count, span, moment, dated, weekHour, words } from './text.js';
import { Chart, sparkline, seriesColour } from './chart.js';
import { table } from './table.js';
import { lines, groups, value, normalRange, read } from './source.js';

const DRAWN_MS = 250;
const ROLLED_MS = 2000;
const TOP_MAX = 8;

/** page: what the panels share (app.js): api(path), source(view), step(view), span(view), addFilter(column, value), where(view), zone(), changed(). */
export class Panel {
  #drawing = null; #last = 0; #stop = null;

  constructor(spec, page) {
    this.spec = spec;
    this.page = page;
    this.isTable = false;
    const id = `panel-${spec.id}`;
    this.title = el('h2', { id }, said(spec.title, 60));
    this.note = el('p.note');
    this.tools = el('div.tools');
    this.picture = el('div.picture');
    this.rows = el('div.rows', { hidden: true });
    const choice = (text, isTable) => el('button', { type: 'button', 'aria-pressed': String(this.isTable === isTable), onclick: () => this.choose(isTable) }, text);
    this.choices = [choice('Chart', false), choice('Table', true)];
    this.element = el(`section.panel.${spec.kind}${spec.wide ? '.widest' : ''}`, { 'aria-labelledby': id }, el('header', {}, this.title, this.tools, el('div.switch', { role: 'group', 'aria-label': 'Shown as' }, this.choices)), this.note, this.picture, this.rows);
    this.kind = KINDS[spec.kind];
    this.kind.open?.(this);
    this.follow();
  }

  follow() {
    this.#stop?.();
    this.source = this.kind.isAsked ? null : this.page.source(this.spec.view);
    this.#stop = this.source?.listen((changed) => this.draw(changed));
    this.draw();
  }

  choose(isTable) {
    this.isTable = isTable;
    this.choices.forEach((button, i) => button.setAttribute('aria-pressed', String((i === 1) === isTable)));
    this.picture.hidden = isTable;
    this.rows.hidden = !isTable;
    this.draw();
  }

  /** Soon, and not more often than DRAWN_MS. */
  draw(changed) {
    if (changed) this.changed = new Set([...(this.changed ?? []), ...changed]);
    const draw = () => {
      // Somebody presses a button that would be replaced under the finger.
      if (this.element.matches(':active')) {
        this.#drawing = setTimeout(draw, 100);
        return;
      }
      this.#drawing = null;
      this.#last = performance.now();
      const problem = this.source?.problem;
      this.element.classList.toggle('waits', Boolean(this.source && !this.source.isHere && !problem));
      if (problem) this.say(el('span.bad', {}, legible(`${problem.title ?? 'Not to be had'}: ${problem.detail ?? ''}`)));
      else if (this.source === null || this.source.isHere) this.kind.draw(this);
      this.changed = null;
    };
    this.#drawing ??= setTimeout(draw, Math.max(0, DRAWN_MS - (performance.now() - this.#last)));
  }

  say(...parts) {
    this.note.replaceChildren(...parts);
  }

  close() {
    this.#stop?.();
    clearTimeout(this.#drawing);
    this.chart?.close();
  }
}

const capital = (text) => text.replace(/^./, (c) => c.toUpperCase());
const empty = (panel) => swap(panel.picture, el('p.empty', {}, 'Nothing in this time.'));

/** Share of change, as an element: an arrow, and words for who hears it. */
export function change(before, after) {
  if (!(before > 0)) return el('span.soft', {}, after > 0 ? 'new' : '');
  const share = (after - before) / before;
  const direction = share > 0.005 ? 'up' : share < -0.005 ? 'down' : 'same';
  const sign = { up: '▲', down: '▼', same: '■' }[direction];
  return el(`span.change.${direction}`, {}, el('span', { 'aria-hidden': 'true' }, `${sign} `), el('span.unseen', {}, { up: 'up ', down: 'down ', same: 'about the same, ' }[direction]), `${number(Math.abs(share) > 9.995 ? Math.sign(share) * 9.99 : Math.abs(share), 'share')}`);
}

function chartOf(panel, label, options) {
  if (!panel.chart) panel.chart = new Chart(label, options);
  if (!panel.picture.contains(panel.chart.element)) swap(panel.picture, panel.chart.element);
  panel.chart.label = label;
  return panel.chart;
}

/** What is closed as a line, what is still open as a dashed one that goes on from it. */
function openAndClosed(values, open) {
  const closed = values.map((v, i) => (open[i] ? null : v));
  const still = values.map((v, i) => (open[i] || open[i + 1] ? v : null));
  return [closed, still];
}

const boundaryNote = (source) => (source.boundary === null ? 'Nothing is reconciled yet: all of it is provisional.' : `Reconciled up to ${moment(source.boundary)}; later is provisional.`);

function timeLines(panel, { view, measure, scale = 1, split = null, label, unit = measure.unit, linesMax = 6 }) {
  const { source } = panel;
  const step = panel.page.step(view);
  const drawn = lines(view, source.rows, measure, { split, linesMax, step: view.kind === 'tumble' ? step : 0 });
  if (drawn.x.length === 0) return empty(panel);
  const scaled = drawn.lines.map((values) => values.map((v) => (v === null ? null : v * scale)));
  const series = [];
  scaled.forEach((values, i) => {
    const [closed, still] = openAndClosed(values, drawn.open);
    const name = split === null ? label : legible(drawn.names[i], 60);
    const c = seriesColour(i);
    series.push({ name, values: closed, colour: c, area: scaled.length === 1, tip: (at) => values[at] });
    if (drawn.open.includes(true)) series.push({ name: 'still open', values: still, colour: c, dash: true, legend: i === 0, tip: () => null });
  });
  const last = scaled[0].at(-1);
  const { from, to } = panel.page.frame(view);
  chartOf(panel, `${label}, from ${moment(drawn.x[0] * 1000)} to ${moment(drawn.x.at(-1) * 1000)}: at the end ${number(last, unit)}, at most ${number(Math.max(...scaled.flat().filter((v) => v !== null)), unit)}. ${boundaryNote(source)} Arrow keys read single values; the button Table has them all.`)
    .show({ x: drawn.x, series, unit, boundary: source.boundary, from, to });
  return drawn;
}

const timeColumn = (name, title) => ({ name, title, show: (ms) => dated(ms) });
const numberColumn = (name, title, unit) => ({ name, title, isNumber: true, show: (v) => number(v, unit) });

function timeTable(panel, drawn, { scale = 1, label, unit, split }) {
  const rows = drawn.x.map((x, i) => ({ time: x * 1000, state: drawn.open[i] ? 'still open' : panel.source.boundary !== null && x * 1000 <= panel.source.boundary ? 'reconciled' : 'provisional', ...Object.fromEntries(drawn.lines.map((values, s) => [`v${s}`, values[i] === null ? null : values[i] * scale])) })).reverse();
  swap(panel.rows, table(legible(panel.spec.title, 60), [timeColumn('time', 'up to'), ...drawn.lines.map((_, s) => numberColumn(`v${s}`, split === null ? label : legible(drawn.names[s], 60), unit)), { name: 'state', title: 'state' }], rows));
}

function drawTimes(panel, options) {
  const drawn = timeLines(panel, options);
  if (panel.isTable && drawn) timeTable(panel, drawn, { ...options, unit: options.unit ?? options.measure.unit });
  return drawn;
}

/** The key that lines of a number are split by that may not be added up; null: there is one line anyway. */
function splitOf(view, measure, rows) {
  if (measure.adds) return null;
  return view.keys.find((key) => new Set(rows.map(({ row }) => row[key])).size > 1) ?? null;
}

/** The panel's rows over all keys, not more often than ROLLED_MS; null: the server cannot. */
async function rolledUp(panel) {
  const { view } = panel.spec;
  const from = panel.page.from(view);
  const { to } = panel.page.span(view);
  if (panel.rolledAt !== undefined && performance.now() - panel.rolledAt < ROLLED_MS) return panel.rolled;
  panel.rolledAt = performance.now();
  const query = new URLSearchParams({ bucket: `${panel.page.step(view) / 1000}s`, limit: '10000' });
  if (from !== undefined) query.set('from', new Date(from).toISOString());
  if (to !== undefined) query.set('to', new Date(to).toISOString());
  for (const each of panel.page.where(view)) query.append('where', each);
  try {
    return (await panel.page.api(`views/${encodeURIComponent(view.name)}?${query}`)).rows.map((row) => read(view, row));
  } catch {
    return null;
  }
}

/** What panel and tile say of the newest time: {rate, before, open, perMinute}. */
export function newest(view, rows, measure, step) {
  const drawn = lines(view, rows, measure, { step: view.kind === 'tumble' ? step : 0 });
  const values = drawn.lines[0] ?? [];
  const closed = values.filter((_, i) => !drawn.open[i]);
  const reach = Math.max(1, Math.round(60_000 / Math.max(1, step)));
  const sum = (part) => part.reduce((a, b) => a + (b ?? 0), 0);
  const scale = 60_000 / (reach * Math.max(1, step));
  return { rate: closed.length > 0 ? sum(closed.slice(-reach)) * scale : null, before: closed.length >= 2 * reach ? sum(closed.slice(-2 * reach, -reach)) * scale : null, open: sum(values.filter((_, i) => drawn.open[i])), values: closed.slice(-40) };
}

const bars = (panel, rows, unit, onPick, nameOf) => {
  const most = Math.max(...rows.map(({ total }) => total), 1e-9);
  return el('ol.bars', {}, rows.map((group) => {
    const bar = el('span.bar', { 'aria-hidden': 'true' });
    bar.style.inlineSize = `${Math.max(0.5, (group.total / most) * 100)}%`;
    const name = said(typeof group.name === 'string' ? group.name.replace(/^https?:\/\/(?=.)/, '') : group.name, 90);
    const label = onPick ? el('button.pick', { type: 'button', title: legible(group.name, 300), 'aria-label': `Only ${nameOf} ${legible(group.name, 90)}`, onclick: () => onPick(group.name) }, name) : el('span.pick', {}, name);
    return el('li', {}, bar, label, group.trend ? sparkline(group.trend) : '', el('span.n', {}, number(group.total, unit)), group.trend ? change(group.before, group.after) : '');
  }));
};

const KINDS = {
  rate: {
    draw(panel) {
      const { view, measure } = panel.spec;
      const step = panel.page.step(view);
      const drawn = drawTimes(panel, { view, measure, scale: 60_000 / step, label: `${measure.label} per minute`, unit: '' });
      panel.say(`Windows of ${span(step)}. `, boundaryNote(panel.source), panel.source.isCut ? ' Only the newest rows are shown.' : '');
      return drawn;
    },
  },

  line: {
    async draw(panel) {
      const { view, measure } = panel.spec;
      const split = splitOf(view, measure, panel.source.rows);
      const was = panel.source;
      panel.rolled = split === null ? null : await rolledUp(panel);
      if (panel.source !== was) return;
      panel.page.changed();
      // What may not be added up is put together by the server, from what it keeps beside the numbers; where it cannot, there are several lines.
      if (panel.rolled) panel.source = { rows: panel.rolled, boundary: was.boundary };
      drawTimes(panel, { view, measure, split: panel.rolled ? null : split, label: measure.label });
      panel.source = was;
      panel.say(`In windows of ${span(panel.page.step(view))}. `, split === null ? '' : panel.rolled ? `Of each ${words(split)} together: whoever comes to two counts once.` : `Whoever comes to two is counted in both, so each ${words(split)} has a line of its own.`);
    },
  },

  top: {
    draw(panel) {
      const { view, measure, key } = panel.spec;
      const found = groups(panel.source.rows, key, measure, panel.page.step(view));
      panel.element.hidden = panel.spec.isGuess && found.length < 2 && panel.page.where(view).length === 0;
      const host = panel.element.parentElement;
      if (host) host.dataset.tops = host.querySelectorAll('.panel.top:not([hidden])').length;
      if (found.length === 0) return empty(panel);
      const rest = found.slice(TOP_MAX).reduce((a, { total }) => a + total, 0);
      panel.say(capital(measure.label), ', with the trend; ', count(found.length), ' in all', rest > 0 ? `, ${number(rest, measure.unit)} beyond these` : '', '. Pick one to filter.');
      swap(panel.picture, bars(panel, found.slice(0, TOP_MAX), measure.unit, (name) => panel.page.addFilter(key, name), words(key)));
      if (panel.isTable) swap(panel.rows, table(panel.spec.title, [{ name: 'name', title: words(key) }, numberColumn('total', measure.label, measure.unit), { name: 'trend', title: 'second half against first', show: (_, row) => change(row.before, row.after) }], found));
    },
  },

  sessions: {
    draw(panel) {
      const { view } = panel.spec;
      const measures = [{ name: '$span', label: 'length', unit: 'ms' }, ...view.measures];
      const measure = measures[panel.chosen ?? 0];
      const { rows, boundary } = panel.source;
      const all = rows.map((each) => ({ ...each, number: measure.name === '$span' ? each.end - each.start : value(each.row, measure.name) })).filter(({ number: n }) => n !== null);
      if (all.length === 0) return empty(panel);
      const range = normalRange(all.filter(({ isFinal }) => isFinal).map(({ number: n }) => n));
      const isOutlier = ({ number: n }) => range !== null && (n > range.high || n < range.low);
      const outliers = all.filter(isOutlier);
      const open = all.filter(({ isFinal }) => !isFinal).length;
      const sorted = [...all].sort((a, b) => a.end - b.end);
      const x = sorted.map(({ end }) => end / 1000);
      const series = [
        { name: 'usual', values: sorted.map((each) => (isOutlier(each) ? null : each.number)), colour: '--series-1', points: 5 },
        { name: 'outlier', values: sorted.map((each) => (isOutlier(each) ? each.number : null)), colour: '--bad', points: 9 },
      ];
      const { from, to } = panel.page.frame(view);
      const normal = range === null ? 'Too few for a normal range.' : `Normally ${range.low > 0 ? `${number(range.low, measure.unit)} to` : 'up to'} ${number(range.high, measure.unit)}, half of them below ${number(range.middle, measure.unit)}.`;
      chartOf(panel, `Sessions by their end and ${measure.label}. ${normal} ${count(outliers.length)} are outside.`).show({ x, series, unit: measure.unit, boundary, band: range, from, to });
      panel.say(el('strong', {}, count(all.length)), ` ${all.length === 1 ? 'session' : 'sessions'}, ${count(open)} still open. ${normal} `, outliers.length > 0 ? el('span.bad', {}, `${count(outliers.length)} outside`) : 'None is outside', '.');
      const listed = (panel.isTable ? [...sorted].reverse() : outliers.sort((a, b) => b.number - a.number)).map((each) => ({ ...each.row, $start: each.start, $end: each.end, $n: each.number, $state: isOutlier(each) ? 'outlier' : each.isFinal ? 'usual' : 'still open', $out: isOutlier(each) }));
      const columns = [...view.keys.map((name) => ({ name, title: words(name) })), timeColumn('$start', 'from'), timeColumn('$end', 'to'), numberColumn('$n', measure.label, measure.unit), ...view.measures.filter(({ name }) => name !== measure.name).map(({ name, label, unit }) => numberColumn(name, label, unit)), { name: '$state', title: 'state' }];
      if (panel.isTable) swap(panel.rows, table('Sessions, the newest first', columns, listed, { rowClass: (row) => (row.$out ? 'out' : '') }));
    },
    open(panel) {
      const { view } = panel.spec;
      panel.tools.append(el('label', {}, el('span.unseen', {}, 'Measure of sessions'), el('select', { onchange: ({ target }) => { panel.chosen = target.selectedIndex; panel.draw(); } }, ['length', ...view.measures.map(({ label }) => label)].map((label) => el('option', {}, label)))));
    },
  },

  funnel: {
    draw(panel) {
      const { view, measure, steps } = panel.spec;
      const { rows } = panel.source;
      if (rows.length === 0) return empty(panel);
      let found;
      if (steps) {
        found = steps.map(({ name, label }) => ({ name: label, total: rows.reduce((sum, { row }) => sum + (value(row, name) ?? 0), 0) }));
      } else {
        const reached = rows.map(({ row }) => value(row, measure.name) ?? 0);
        const most = Math.min(12, Math.max(...reached, 1));
        found = Array.from({ length: most + 1 }, (_, step) => ({ name: step === 0 ? 'came' : `reached step ${step}`, total: reached.filter((r) => r >= step).length }));
      }
      const top = Math.max(found[0].total, 1e-9);
      found.forEach((step, i) => { step.share = step.total / top; step.kept = i === 0 ? null : found[i - 1].total > 0 ? step.total / found[i - 1].total : 0; });
      panel.say(`${number(found.at(-1).share, 'share')} of ${number(found[0].total)} came to the end. `, el('span.soft', {}, 'From view '), said(view.name, 60));
      swap(panel.picture, el('ol.steps', {}, found.map((step) => {
        const bar = el('span.bar', { 'aria-hidden': 'true' });
        bar.style.inlineSize = `${Math.max(0.5, step.share * 100)}%`;
        return el('li', {}, el('span.name', {}, said(step.name, 60)), el('span.track', {}, bar), el('span.n', {}, number(step.total)), el('span.soft', {}, step.kept === null ? '' : `${number(step.kept, 'share')} of those before`));
      })));
      if (panel.isTable) swap(panel.rows, table('Funnel', [{ name: 'name', title: 'step' }, numberColumn('total', 'how many'), numberColumn('share', 'of all', 'share'), numberColumn('kept', 'of those before', 'share')], found));
    },
  },

  heat: {
    isAsked: true,
    open(panel) {
      panel.choices[0].parentElement.hidden = true;
      panel.timer = setInterval(() => panel.draw(), 60_000);
    },
    async draw(panel) {
      const { view, measure } = panel.spec;
      const { newest: end } = panel.page.times(view);
      const from = end - 28 * 86_400_000;
      const ask = (more) => {
        const query = new URLSearchParams({ from: new Date(from).toISOString(), limit: '10000', ...more });
        for (const each of panel.page.where(view)) query.append('where', each);
        return panel.page.api(`views/${encodeURIComponent(view.name)}?${query}`);
      };
      let answer;
      try {
        // Sums may also be added up here, of the newest rows, where the server cannot roll the view up.
        answer = await ask({ bucket: '1h', zone: panel.page.zone() }).catch(() => ask({ order: `-${view.end}` }));
      } catch (error) {
        return panel.say(el('span.bad', {}, legible(error.message)));
      }
      const cells = Array.from({ length: 7 }, () => Array.from({ length: 24 }, () => ({ total: 0, hours: new Set() })));
      for (const row of answer.rows) {
        const at = Date.parse(row[view.start]);
        if (Number.isNaN(at)) continue;
        const [day, hour] = weekHour(at);
        const cell = cells[day][hour];
        cell.total += value(row, measure.name) ?? 0;
        cell.hours.add(Math.floor(at / 3_600_000));
      }
      const all = cells.flat().filter(({ hours }) => hours.size > 0).map((cell) => (cell.mean = cell.total / cell.hours.size));
      if (all.length === 0) return empty(panel);
      const most = Math.max(...all);
      const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
      let peak = [0, 0];
      cells.forEach((hours, d) => hours.forEach((cell, h) => { if ((cell.mean ?? -1) > (cells[peak[0]][peak[1]].mean ?? -1)) peak = [d, h]; }));
      const hour = (h) => `${String(h).padStart(2, '0')}:00`;
      panel.say(`${capital(measure.label)} an hour, on average of ${answer.next_cursor ? `the newest ${count(new Set(answer.rows.map((row) => row[view.start].slice(0, 13))).size)} hours` : 'up to four weeks'}. Most on ${DAYS[peak[0]]} at ${hour(peak[1])}: ${number(most, measure.unit)}.`);
      const cellOf = (cell, d, h) => {
        const td = el('td', { title: `${DAYS[d]} ${hour(h)}: ${cell.mean === undefined ? 'nothing is known' : number(cell.mean, measure.unit)}`, 'data-heat': cell.mean === undefined ? 'none' : String(Math.round((cell.mean / most) * 9)) }, el('span', {}, cell.mean === undefined ? '' : short(cell.mean, measure.unit)));
        return td;
      };
      swap(panel.picture, el('div.wide', { tabindex: '0', role: 'region', 'aria-label': 'Heat map of weekdays and hours' }, el('table.heatmap', {}, el('caption.unseen', {}, `${capital(measure.label)} by weekday and hour`),
        el('thead', {}, el('tr', {}, el('td'), Array.from({ length: 24 }, (_, h) => el(h % 6 === 0 ? 'th' : 'th.minor', { scope: 'col' }, el('span.unseen', {}, 'hour '), String(h))))),
        el('tbody', {}, cells.map((hours, d) => el('tr', {}, el('th', { scope: 'row' }, DAYS[d]), hours.map((cell, h) => cellOf(cell, d, h))))))));
    },
  },

  events: {
    open(panel) {
      panel.choices[0].parentElement.hidden = true;
    },
    draw(panel) {
      const { view } = panel.spec;
      const columns = view.columns.map(({ name, type }) => (name === view.time ? { name, title: words(name), show: (v) => moment(Date.parse(v)) } : { name, title: words(name), isNumber: /INT|DOUBLE|DECIMAL/i.test(type) }));
      const rows = [...panel.source.rows].reverse().slice(0, 30);
      const { changed } = panel;
      panel.say('As they come, the newest first.');
      swap(panel.picture, table(panel.spec.title, columns, rows.map(({ row, id }) => ({ ...row, $id: id })), { rowClass: (row) => (changed?.has(row.$id) ? 'new' : '') }));
    },
  },

  explore: {
    open(panel) {
      const { page } = panel;
      const pick = (label, options, onchange) => {
        const select = el('select', { onchange }, options.map(([text, v]) => el('option', { value: v }, text)));
        return [el('label', {}, `${label} `, select), select];
      };
      const changedView = () => {
        const view = panel.page.views.find(({ name }) => name === viewSelect.value);
        panel.spec = { ...panel.spec, view };
        const measures = view.measures.length > 0 ? view.measures : [{ name: '$rows', label: 'rows', unit: '', adds: true }];
        measureSelect.replaceChildren(...measures.map(({ name, label }) => el('option', { value: name }, label)));
        splitSelect.replaceChildren(el('option', { value: '' }, 'nothing'), ...view.keys.map((name) => el('option', { value: name }, words(name))));
        panel.cursor = null;
        panel.follow();
      };
      const [viewLabel, viewSelect] = pick('View', page.views.map(({ name }) => [legible(name, 60), name]), changedView);
      const [measureLabel, measureSelect] = pick('number', [], () => panel.draw());
      const [splitLabel, splitSelect] = pick('split by', [], () => panel.draw());
      const [layerLabel, layerSelect] = pick('layer', [['merged', 'merged'], ['speed alone', 'speed'], ['batch alone', 'batch']], () => panel.draw());
      viewSelect.value = panel.spec.view.name;
      panel.chosen = { measureSelect, splitSelect, layerSelect };
      panel.downloads = el('span.soft');
      panel.tools.append(viewLabel, measureLabel, splitLabel, layerLabel, panel.downloads);
      // The choices stand before the first drawing, which the constructor asks for.
      const { view } = panel.spec;
      measureSelect.append(...(view.measures.length > 0 ? view.measures : [{ name: '$rows', label: 'rows' }]).map(({ name, label }) => el('option', { value: name }, label)));
      splitSelect.append(el('option', { value: '' }, 'nothing'), ...view.keys.map((name) => el('option', { value: name }, words(name))));
    },

    async draw(panel) {
      const { view } = panel.spec;
      const { measureSelect, splitSelect, layerSelect } = panel.chosen;
      const layer = layerSelect.value;
      const { source } = panel;
      const link = (format) => {
        const query = new URLSearchParams({ format, limit: '10000', layer });
        const { from } = panel.page.span(view);
        if (from) query.set('from', new Date(from).toISOString());
        for (const each of panel.page.where(view)) query.append('where', each);
        return el('a', { href: `api/v1/views/${encodeURIComponent(view.name)}?${query}`, download: `${view.name}.${format}` }, format.toUpperCase());
      };
      panel.downloads.replaceChildren('as ', link('csv'), ' ', link('json'));
      let { rows } = source;
      if (layer !== 'merged') {
        const { from } = panel.page.span(view);
        const query = new URLSearchParams({ layer, limit: '10000', order: `-${view.end ?? view.columns[0].name}` });
        if (from) query.set('from', new Date(from).toISOString());
        for (const each of panel.page.where(view)) query.append('where', each);
        try {
          rows = (await panel.page.api(`views/${encodeURIComponent(view.name)}?${query}`)).rows.map((row) => ({ row, start: Date.parse(row[view.start ?? view.end]), end: Date.parse(row[view.end]), isFinal: row._final !== false })).reverse();
        } catch (error) {
          return panel.say(el('span.bad', {}, legible(error.message)));
        }
        if (layerSelect.value !== layer) return undefined;
      }
      panel.say(`${capital(view.kind)}${view.isWindowed && view.kind !== 'session' && view.kind !== 'count' ? ` windows of ${span(panel.page.step(view))}` : view.isWindowed ? ' windows' : ''}, ${count(rows.length)} rows. `, boundaryNote(source), source.isCut ? ' Only the newest rows are shown.' : '');
      const measure = view.measures.find(({ name }) => name === measureSelect.value) ?? { name: '$rows', label: 'rows', unit: '', adds: true };
      const counted = measure.name === '$rows' ? rows.map((each) => ({ ...each, row: { ...each.row, $rows: 1 } })) : rows;
      const split = splitSelect.value || splitOf(view, measure, rows);
      const shown = { ...panel, source: { rows: counted, boundary: source.boundary } };
      if (!view.isWindowed) swap(panel.picture, el('p.empty', {}, 'Single events: the table has them.'));
      else if (counted.length === 0) empty(panel);
      else {
        const was = panel.source;
        panel.source = shown.source;
        timeLines(panel, { view, measure, split, label: measure.label });
        panel.source = was;
      }
      if (panel.isTable) {
        const columns = view.columns.map((column) => {
          const isTime = /TIMESTAMP/i.test(column.type) || /^window_/.test(column.role ?? '');
          const measured = view.measures.find(({ name }) => name === column.name);
          return { name: column.name, isNumber: Boolean(measured), show: isTime ? (v) => dated(Date.parse(v)) : measured ? (v) => number(v, measured.unit) : undefined };
        });
        const flat = counted.map(({ row }) => row);
        const { sort } = panel;
        if (sort) {
          const isNumber = view.measures.some(({ name }) => name === sort.name);
          flat.sort((a, b) => (sort.down ? -1 : 1) * (isNumber ? (value(a, sort.name) ?? -Infinity) - (value(b, sort.name) ?? -Infinity) : String(a[sort.name]).localeCompare(String(b[sort.name]))));
        } else flat.reverse();
        swap(panel.rows, table(legible(view.name, 60), [...columns, { name: '_layer', title: 'layer' }, { name: '_final', title: 'final', show: (v) => (v === false ? 'not yet' : 'yes') }], flat, { sort, onSort: (to) => { panel.sort = to; panel.draw(); } }));
      }
      return undefined;
    },
  },
};

