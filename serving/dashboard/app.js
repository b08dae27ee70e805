// app.js: the page: which views there are decides which panels; what is chosen stands in the address, so that it can be sent to somebody.
import { el, legible, said, number, count, ago, span, clock, date, moment, useZone, words } from './text.js';
import { describe, plan, isNarrow } from './views.js';
import { Feed } from './feed.js';
import { Source, value } from './source.js';
import { Panel, change, newest } from './panels.js';
import { Trust } from './trust.js';
import { redrawCharts, sparkline } from './chart.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const RANGES = [['auto', 'what fits', null], ['15m', '15 minutes', 15 * MINUTE], ['1h', 'an hour', HOUR], ['6h', '6 hours', 6 * HOUR], ['24h', '24 hours', DAY], ['7d', '7 days', 7 * DAY], ['30d', '30 days', 30 * DAY], ['custom', 'from … to', null]];
// So many windows are shown where no range is chosen; and so many at most as they are stored: of views with few rows a window, and with many.
const WINDOWS_FIT = 90;
const WINDOWS_MAX = { few: 1500, many: 120 };
const BUCKETS_MAX = { few: 300, many: 24 };
const BUCKETS = [MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY];
const REFRESH_MS = 15_000;
const SAID_MS = 30_000;
const TOAST_MS = 9000;
const CONNECTION = { connecting: 'Connecting', live: 'Live', sse: 'Live (events)', polling: 'Every 5 s', away: 'No connection' };

const $ = (id) => document.getElementById(id);
const base = new URL('api/v1/', document.baseURI);

const state = { range: 'auto', zone: 'local', theme: 'auto', where: [], from: null, to: null };
const page = { views: [], probes: new Map(), sources: new Map(), panels: [], status: null };

// ---- asking ----

async function api(path) {
  const response = await fetch(new URL(path, base), { headers: { accept: 'application/json' } });
  if (response.status === 401) location.reload(); // whoever has been signed out is asked again
  let answer;
  try {
    answer = await response.json();
  } catch {
    throw new Error(`The server answered ${response.status} ${response.statusText} to ${path}`);
  }
  if (!response.ok) throw new Error(`${answer.title ?? response.status}: ${answer.detail ?? ''}`);
  return answer;
}

// ---- what is chosen ----

function readAddress() {
  const query = new URLSearchParams(location.hash.slice(1));
  state.range = RANGES.some(([name]) => name === query.get('range')) ? query.get('range') : 'auto';
  state.zone = query.get('zone') === 'utc' ? 'utc' : 'local';
  state.where = query.getAll('where').filter((each) => /^[^:]+:/.test(each)).slice(0, 20);
  state.from = query.get('from');
  state.to = query.get('to');
}

function writeAddress() {
  const query = new URLSearchParams();
  if (state.range !== 'auto') query.set('range', state.range);
  if (state.zone !== 'local') query.set('zone', state.zone);
  for (const each of state.where) query.append('where', each);
  if (state.range === 'custom') for (const name of ['from', 'to']) if (state[name]) query.set(name, state[name]);
  history.replaceState(null, '', query.size > 0 ? `#${query}` : location.pathname + location.search);
}

const kept = {
  get: (name) => { try { return localStorage.getItem(`tally.${name}`); } catch { return null; } },
  put: (name, it) => { try { if (it === null) localStorage.removeItem(`tally.${name}`); else localStorage.setItem(`tally.${name}`, it); } catch { /* kept for this page alone */ } },
};

function useTheme(theme) {
  state.theme = theme;
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  redrawCharts();
}

// ---- what panels ask of the page ----

const zoneName = () => (state.zone === 'utc' ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone);
// What the two fields have is a wall clock without its zone.
const asTime = (it) => (it && !Number.isNaN(Date.parse(it)) ? Date.parse(state.zone === 'utc' ? `${it}Z` : it) : undefined);
const columns = (view) => [...view.keys, ...view.texts];
const shared = {
  api,
  changed: () => soonTiles(),
  get views() { return page.views; },
  zone: zoneName,
  where: (view) => state.where.filter((each) => view.columns.some(({ name }) => name === each.split(':')[0])),
  step: (view) => page.sources.get(view.name)?.bucket ?? page.probes.get(view.name)?.step ?? MINUTE,
  times: (view) => ({ newest: page.probes.get(view.name)?.newest ?? Date.now() }),
  span(view) {
    if (state.range === 'custom') return { from: asTime(state.from), to: asTime(state.to), until: asTime(state.to) ?? Date.now() };
    const { step = MINUTE, newest: end = Date.now() } = page.probes.get(view.name) ?? {};
    const chosen = RANGES.find(([name]) => name === state.range)[2];
    const length = chosen ?? WINDOWS_FIT * step;
    // What has stopped a while ago is shown as it ended.
    const until = Date.now() - end > length / 2 ? end : Date.now();
    return { from: until - length, to: undefined, until };
  },
  /** What a chart spans whatever its rows are: only where a range was chosen. */
  frame: (view) => (state.range === 'auto' ? {} : shared.span(view)),
  /** How long the windows are to be that the server rolls up; undefined: as they are stored. */
  bucket(view) {
    const { from, until } = shared.span(view);
    const step = page.probes.get(view.name)?.step;
    const rows = isNarrow(view) ? 'few' : 'many';
    if (view.kind !== 'tumble' || from === undefined || !step) return undefined;
    const windows = (until - from) / step;
    return windows <= WINDOWS_MAX[rows] ? undefined : BUCKETS.find((bucket) => bucket % step === 0 && (windows * step) / bucket <= BUCKETS_MAX[rows]) ?? BUCKETS.at(-1);
  },
  /** From where rows are asked for: half of a longer window would look like a whole one with less. What somebody has written holds to the letter. */
  from(view) {
    const { from } = shared.span(view);
    const bucket = shared.bucket(view);
    return bucket === undefined || state.range === 'custom' ? from : from - (from % bucket);
  },
  source(view) {
    const key = view.name;
    if (!page.sources.has(key)) {
      const from = shared.from(view);
      page.sources.set(key, new Source(page.feed, view, { where: shared.where(view), from: view.isWindowed || view.time ? from : undefined, last: view.isWindowed ? undefined : 200, to: shared.span(view).to, bucket: shared.bucket(view), api, onCorrection: corrected }));
    }
    return page.sources.get(key);
  },
  addFilter(column, it) {
    const each = it === null || it === undefined ? `${column}:null` : `${column}:eq:${it}`;
    if (!state.where.includes(each)) state.where.push(each);
    choose(`Only where ${column} is ${legible(it, 60)}`);
  },
};

// ---- filters ----

function showFilters() {
  const names = [...new Set(page.views.flatMap(columns))];
  const select = $('filter-column');
  const was = select.value;
  select.replaceChildren(...names.map((name) => el('option', { value: name }, words(name))));
  if (names.includes(was)) select.value = was;
  $('filters').hidden = names.length === 0;
  $('chips').replaceChildren(...state.where.map((each) => {
    const [column, operator, ...rest] = each.split(':');
    const it = operator === 'null' ? null : rest.join(':');
    return el('li', {}, el('button.chip', { type: 'button', 'aria-label': `Remove the filter ${words(column)} is ${legible(it, 60)}`, onclick: () => { state.where = state.where.filter((other) => other !== each); choose(`The filter of ${words(column)} is gone`); } }, words(column), ' is ', said(it, 40), el('span', { 'aria-hidden': 'true' }, ' ✕')));
  }));
  showValues();
}

function showValues() {
  const column = $('filter-column').value;
  const found = new Set();
  for (const source of page.sources.values())
    if (source.view.columns.some(({ name }) => name === column))
      for (const { row } of source.rows) if (found.size < 200 && typeof row[column] === 'string' && row[column].length <= 120) found.add(row[column]);
  $('filter-values').replaceChildren(...[...found].map((it) => el('option', { value: it })));
}

// ---- tiles ----

const TILES = ['rate', 'visitors', 'sessions', 'late', 'boundary'];
function tile(id, label, { big, small = '', spark = null, bad = false }) {
  let it = $(`tile-${id}`);
  if (!it) {
    it = el('article.tile', { id: `tile-${id}` }, el('h2', {}, label), el('div.figure', {}, el('p.big'), el('span.line')), el('p.small'));
    it.dataset.order = String(TILES.indexOf(id));
    const after = [...$('tiles').children].find((other) => Number(other.dataset.order) > TILES.indexOf(id));
    $('tiles').insertBefore(it, after ?? null);
  }
  it.classList.toggle('wrong', bad);
  it.querySelector('.big').replaceChildren(big);
  it.querySelector('.small').replaceChildren(...[small].flat());
  it.querySelector('.line').replaceChildren(...(spark && spark.length > 2 ? [sparkline(spark)] : []));
  return it;
}

function showTiles() {
  const of = (kind, id = kind) => page.panels.find(({ spec }) => spec.kind === kind && spec.id === id);
  const rate = of('rate');
  if (rate?.source?.isHere) {
    const { view, measure } = rate.spec;
    const now = newest(view, rate.source.rows, measure, shared.step(view));
    tile('rate', `${words(measure.name)} per minute`, { big: now.rate === null ? '–' : number(now.rate, '', true), small: now.rate === null ? '' : [...(now.before === null ? [] : [change(now.before, now.rate), ` on the ${shared.step(view) <= MINUTE ? 'minute' : span(shared.step(view))} before`]), now.open > 0 ? ` +${number(now.open)} in open windows` : ''], spark: now.values });
    page.summary = `${number(now.rate)} ${words(measure.name)} per minute`;
  }
  const visitors = of('line', 'visitors');
  if (visitors?.source?.isHere) {
    const { view, measure } = visitors.spec;
    const rows = visitors.rolled ?? visitors.source.rows;
    const end = Math.max(...rows.filter(({ isFinal }) => isFinal).map((each) => each.end));
    const now = rows.filter((each) => each.end === end);
    const most = now.sort((a, b) => value(b.row, measure.name) - value(a.row, measure.name))[0];
    const [key] = view.keys;
    tile('visitors', measure.label, { big: most ? number(value(most.row, measure.name), '', true) : '–', small: most ? [`in ${span(shared.step(view))}`, ...(now.length > 1 && key ? [', at ', said(most.row[key], 30)] : [])] : 'none in a window that is over' });
  }
  const sessions = of('sessions');
  if (sessions?.source?.isHere) {
    const { rows } = sessions.source;
    const lengths = rows.map(({ start, end }) => end - start).sort((a, b) => a - b);
    tile('sessions', 'Sessions', { big: count(rows.length), small: lengths.length > 0 ? `${count(rows.filter(({ isFinal }) => !isFinal).length)} open, half of them longer than ${span(lengths[Math.floor(lengths.length / 2)])}` : '' });
  }
  if (page.trust.late !== undefined) {
    const { late, events } = page.trust;
    tile('late', 'Late events', { big: count(late), small: events > 0 ? `${number(late / events, 'share')} of ${number(events, '', true)} read by the stream` : 'none were read' });
  }
  const boundaries = page.views.map(({ boundary }) => boundary).filter(Boolean).map(Date.parse);
  tile('boundary', 'Reconciled up to', boundaries.length > 0 ? { big: clock(Math.min(...boundaries)), small: `${date(Math.min(...boundaries))}, ${ago(Date.now() - Math.min(...boundaries))}; later is provisional` } : { big: 'nothing yet', small: 'all numbers are provisional' });
}

// ---- what is said ----

let lastSaid = 0;
function announce(text) {
  lastSaid = Date.now();
  $('said').textContent = text;
}

const corrections = { saidAt: 0 };
function corrected(correction) {
  const it = page.trust.correct(correction);
  const toast = el('li.toast', {}, el('strong', {}, 'Corrected: '), said(it.view, 40), ' ', said(it.key, 80), el('br'), said(it.what, 120), el('span.soft', {}, ` ${it.cause}${it.run === null ? '' : `, run ${it.run}`}`));
  const list = $('toasts');
  while (list.children.length >= 4) list.firstChild.remove();
  list.append(toast);
  setTimeout(() => toast.remove(), TOAST_MS);
  if (Date.now() - corrections.saidAt > 5000) {
    corrections.saidAt = Date.now();
    announce(`Corrected: ${it.view}, ${it.what}, ${it.cause}`);
  }
}

function showBanner() {
  const words_ = [];
  const { status, views } = page;
  if (page.connection === 'away') words_.push(`There is no connection to the server; these numbers are ${page.heard ? `as of ${moment(page.heard)}` : 'not there yet'}.`);
  if (status?.stale) words_.push(`The store does not answer: what is shown is ${status.stale_s !== undefined ? `${span(status.stale_s * 1000)} old` : `as of ${moment(Date.parse(status.as_of))}`}.`);
  const behind = views.filter(({ speed }) => speed?.behind_s !== null && speed?.behind_s !== undefined);
  const least = Math.min(...behind.map(({ speed }) => speed.behind_s));
  if (behind.length > 0 && least > 300) words_.push(`The stream's newest final number is ${span(least * 1000)} old: no events come, or speed is behind.`);
  const back = views.filter(({ pending }) => pending > 0).length;
  if (back > 0) words_.push(`Checks keep ${back === 1 ? 'a view' : `${back} views`} back from being published.`);
  if (page.problem) words_.push(page.problem);
  const text = words_.join(' ');
  const banner = $('banner');
  banner.hidden = text === '';
  if (banner.textContent !== text) banner.textContent = text;
  document.body.classList.toggle('is-stale', Boolean(status?.stale) || page.connection === 'away');
}

// ---- building ----

/** The newest row of each view says how long its windows are, and whether anything comes. */
async function probe(view) {
  const at = view.end ?? view.time;
  const answer = await api(`views/${encodeURIComponent(view.name)}?limit=1${at ? `&order=-${encodeURIComponent(at)}` : ''}`);
  const row = answer.rows[0];
  const named = /(\d+)\s*(s|m|min|h|d)$/i.exec(view.name);
  const bySize = named ? Number(named[1]) * { s: 1000, m: MINUTE, min: MINUTE, h: HOUR, d: DAY }[named[2].toLowerCase()] : MINUTE;
  const end = row && at ? Date.parse(row[at]) : NaN;
  const isSteady = view.kind === 'tumble' || view.kind === 'hop';
  return { step: row && view.start && isSteady ? end - Date.parse(row[view.start]) : bySize, newest: Number.isNaN(end) ? Date.now() : end };
}

async function readViews() {
  const answer = await api('views');
  page.status = answer;
  page.heard = Date.now();
  page.problem = null;
  return answer.views.map(describe);
}

const shapeOf = (views) => JSON.stringify(views.map(({ name, kind, columns: c }) => [name, kind, c]));

/** One after the other, whoever asks. */
let building = Promise.resolve();
const build = () => (building = building.then(rebuild));

async function rebuild() {
  for (const panel of page.panels) panel.close();
  for (const source of page.sources.values()) source.close();
  page.sources.clear();
  await Promise.all(page.views.map(async (view) => {
    try {
      page.probes.set(view.name, await probe(view));
    } catch { /* its panel says what is wrong */ }
  }));
  const specs = plan(page.views, (view) => shared.step(view) / 1000);
  page.panels = specs.map((spec) => new Panel(spec, shared));
  const host = $('panels');
  host.replaceChildren(...(page.panels.length > 0 ? page.panels.map(({ element }) => element) : [el('div.empty', {}, el('h2', {}, 'There are no views yet'), el('p', {}, 'Once ', el('code', {}, 'tally speed'), ' or ', el('code', {}, 'tally batch'), ' has begun with a views file, its numbers come up here by themselves.'))]));
  host.setAttribute('aria-busy', 'false');
  for (const source of page.sources.values()) {
    let { boundary } = source;
    source.listen(() => {
      soonTiles();
      if (source.boundary === boundary) return;
      boundary = source.boundary;
      soonRefresh();
    });
  }
  $('tiles').replaceChildren();
  showFilters();
  showTiles();
}

let tilesTimer = null;
function soonTiles() {
  page.heard = Date.now();
  tilesTimer ??= setTimeout(() => { tilesTimer = null; showTiles(); }, 250);
}

/** Something else was chosen: all is read anew. */
async function choose(text) {
  writeAddress();
  $('custom').hidden = state.range !== 'custom';
  await build();
  announce(text);
}

async function refresh() {
  try {
    const views = await readViews();
    const isOther = shapeOf(views) !== shapeOf(page.views);
    page.views = views;
    if (isOther) await build();
    page.trust.showLayers(views, Date.now());
    $('as-of').textContent = `As of ${moment(Date.parse(page.status.as_of))}.`;
  } catch (error) {
    page.problem = legible(error.message === 'Failed to fetch' ? 'The server does not answer.' : error.message, 300);
  }
  await page.trust.refresh();
  showTiles();
  showBanner();
  if (Date.now() - lastSaid > SAID_MS && page.summary && !document.hidden) announce(page.summary);
}

function connect() {
  page.feed = new Feed(base, {
    onState: (connection) => {
      page.connection = connection;
      const pill = $('connection');
      pill.dataset.state = connection;
      pill.textContent = CONNECTION[connection];
      showBanner();
    },
    onStatus: (message) => {
      page.heard = Date.now();
      if (message.stale !== undefined && page.status) page.status.stale = message.stale;
      soonRefresh();
    },
  });
}

let refreshTimer = null;
function soonRefresh() {
  refreshTimer ??= setTimeout(() => { refreshTimer = null; refresh(); }, 1000);
}

function listen() {
  $('range').replaceChildren(...RANGES.map(([name, text]) => el('option', { value: name }, text)));
  $('zone').replaceChildren(el('option', { value: 'local' }, legible(Intl.DateTimeFormat().resolvedOptions().timeZone, 40)), el('option', { value: 'utc' }, 'UTC'));
  $('range').value = state.range;
  $('zone').value = state.zone;
  $('range').addEventListener('change', ({ target }) => { state.range = target.value; choose(`Time range: ${target.selectedOptions[0].text}`); });
  $('zone').addEventListener('change', ({ target }) => { state.zone = target.value; useZone(zoneName()); choose(`Times in ${target.selectedOptions[0].text}`); });
  $('theme').value = state.theme;
  $('theme').addEventListener('change', ({ target }) => { kept.put('theme', target.value); useTheme(target.value); });
  for (const name of ['from', 'to']) {
    if (state[name]) $(name).value = state[name];
    $(name).addEventListener('change', ({ target }) => { state[name] = target.value || null; choose('Time range'); });
  }
  $('custom').hidden = state.range !== 'custom';
  $('filters').addEventListener('submit', (event) => {
    event.preventDefault();
    const input = $('filter-value');
    if (input.value !== '') shared.addFilter($('filter-column').value, input.value);
    input.value = '';
  });
  $('controls').addEventListener('submit', (event) => event.preventDefault());
  $('sign-out').hidden = kept.get('signed-in') === null;
  $('sign-out').addEventListener('click', async () => {
    await fetch(new URL('session', document.baseURI), { method: 'DELETE' });
    kept.put('signed-in', null);
    location.reload();
  });
  $('filter-column').addEventListener('change', showValues);
  $('filter-value').addEventListener('focus', showValues);
  // The address has other things to keep than where the focus is.
  document.querySelector('.skip').addEventListener('click', (event) => { event.preventDefault(); $('main').focus(); });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redrawCharts);
  addEventListener('hashchange', () => { readAddress(); $('range').value = state.range; useZone(zoneName()); choose('As the address says'); });
}

async function start() {
  readAddress();
  useZone(zoneName());
  useTheme(kept.get('theme') ?? 'auto');
  listen();
  page.trust = new Trust($('trust-body'), api);
  page.trust.onLate = soonTiles;
  connect();
  await refresh();
  await building;
  if (page.panels.length === 0) await build();
  setInterval(refresh, REFRESH_MS);
}

start();
