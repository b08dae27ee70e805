// source.js: the rows of one view in the time that is shown, kept up to date by the feed.

const ROWS_MAX = 20_000;
const SLOTS_MAX = 24;
const ROLLED_MS = 10_000;
const EVENT_KEY = ['_partition', '_offset', '_row'];

/** A row with its times as numbers. */
export function read(view, row) {
  const end = Date.parse(row[view.end ?? view.time]);
  const start = view.start ? Date.parse(row[view.start]) : end;
  return { row, start, end, isFinal: row._final !== false, layer: row._layer };
}

export class Source {
  #feed; #subscription = null; #rows = new Map(); #listeners = new Set(); #keyNames; #sorted = null; #from; #to; #last; #api; #timer = null;

  /** view: described (views.js). from, to: ms; what has an end is asked for once (api), and not followed. bucket: ms; rows are rolled up to such windows by
   *  the server, and asked for now and then; where it cannot do that they are followed as they are. onCorrection(correction): {view, key, old, row, cause, run}. */
  constructor(feed, view, { where, from, to, last, bucket, api, onCorrection }) {
    this.#feed = feed;
    this.view = view;
    this.where = where;
    this.#from = from;
    this.#to = to;
    this.#last = last;
    this.#api = api;
    this.bucket = bucket;
    this.onCorrection = onCorrection;
    this.#keyNames = view.isWindowed ? [view.start, view.end, ...view.keys].filter((name) => name !== undefined) : [...EVENT_KEY, ...view.columns.map(({ name }) => name)];
    this.boundary = null;
    this.freshness = {};
    this.problem = null;
    this.isHere = false;
    this.isCut = false;
  }

  /** `listener(changed)`: after each message; `changed`: ids of rows that are other than before. The first one opens the subscription. */
  listen(listener) {
    this.#listeners.add(listener);
    if (this.#subscription === null) this.#open();
    return () => this.#listeners.delete(listener);
  }

  #open() {
    const iso = (ms) => (ms === undefined ? undefined : new Date(ms).toISOString());
    const order = `-${this.view.end ?? this.view.time ?? this.view.columns[0].name}`;
    this.#subscription = { close() {} };
    if (this.#to === undefined && this.bucket === undefined) {
      this.#subscription = this.#feed.subscribe({ view: this.view.name, where: this.where, from: iso(this.#from), last: this.#last }, order, (message) => this.#take(message));
      return;
    }
    const query = new URLSearchParams({ limit: '10000' });
    if (this.#from !== undefined) query.set('from', iso(this.#from));
    if (this.#to !== undefined) query.set('to', iso(this.#to));
    if (this.bucket === undefined) query.set('order', order);
    else query.set('bucket', `${this.bucket / 1000}s`);
    if (this.bucket !== undefined && this.view.keys.length > 0) query.set('group_by', this.view.keys.join(','));
    for (const each of this.where) query.append('where', each);
    const ask = async () => {
      try {
        const answer = await this.#api(`views/${encodeURIComponent(this.view.name)}?${query}`);
        this.#take({ type: 'snapshot', ...answer });
        if (this.#to === undefined) this.#timer = setTimeout(ask, ROLLED_MS);
      } catch (error) {
        if (this.bucket === undefined || this.isHere) return this.#take({ type: 'error', title: error.message });
        this.bucket = undefined;
        this.#open();
      }
      return undefined;
    };
    ask();
  }

  close() {
    clearTimeout(this.#timer);
    this.#subscription?.close();
    this.#listeners.clear();
  }

  /** In order of time. */
  get rows() {
    this.#sorted ??= [...this.#rows.values()].sort((a, b) => a.start - b.start || a.end - b.end);
    return this.#sorted;
  }

  #id(values) {
    return JSON.stringify(this.#keyNames.map((name) => values[name] ?? null));
  }

  #put(row) {
    const id = this.#id(row);
    const read_ = read(this.view, row);
    read_.id = id;
    this.#rows.set(id, read_);
    return id;
  }

  /** What the server calls the key of a row may have fewer columns than ours. */
  #useKey(key) {
    const names = Object.keys(key ?? {});
    if (names.length === 0 || (names.length === this.#keyNames.length && names.every((name) => this.#keyNames.includes(name)))) return;
    this.#keyNames = names;
    const rows = [...this.#rows.values()];
    this.#rows.clear();
    for (const { row } of rows) this.#put(row);
  }

  #take(message) {
    const changed = new Set();
    if (message.boundary !== undefined) this.boundary = message.boundary === null ? null : Date.parse(message.boundary);
    if (message.freshness) this.freshness = message.freshness;
    // Windows end without a word about each.
    const final = Date.parse(message.final_to ?? message.freshness?.final_to);
    if (message.type === 'error') this.problem = message;
    else this.problem = null;
    if (message.type === 'snapshot') {
      this.#rows.clear();
      for (const row of message.rows) this.#put(row);
      this.isHere = true;
      this.isCut = Boolean(message.next_cursor || message.more || message.truncated);
    } else if (message.type === 'events') {
      for (const row of message.rows) changed.add(this.#put(row));
    } else if (message.type === 'changes') {
      for (const change of message.rows) {
        this.#useKey(change.key);
        if (change.op === 'delete' || change.row === null) this.#rows.delete(this.#id(change.key));
        else changed.add(this.#put(change.row));
        if (change.op === 'correct') this.onCorrection({ view: this.view, ...change });
      }
    }
    if (final > 0) for (const row of this.#rows.values()) row.isFinal ||= row.end <= final;
    this.#prune();
    this.#sorted = null;
    for (const listener of this.#listeners) listener(changed, message.type);
  }

  #prune() {
    if (this.#rows.size <= (this.#last ?? ROWS_MAX)) return;
    this.#sorted = null;
    for (const { id } of this.rows.slice(0, this.#rows.size - (this.#last ?? ROWS_MAX))) this.#rows.delete(id);
    this.isCut = true;
  }
}

/** The value of a column as a number, or null. */
export function value(row, name) {
  const it = row[name];
  if (it === null || it === undefined || it === '') return null;
  const n = Number(it);
  return Number.isNaN(n) ? null : n;
}

/** The numbers that a correction changed: [{name, before, after}]. */
export function differences({ old, row }) {
  const names = new Set([...Object.keys(old ?? {}), ...Object.keys(row ?? {})]);
  return [...names].filter((name) => !name.startsWith('_') && String(old?.[name]) !== String(row?.[name]))
    .map((name) => ({ name, before: old?.[name] ?? null, after: row?.[name] ?? null }));
}

/** One line of a view: per window the sum over its rows, or of each value of `split` apart. Windows without rows are 0 where sums are 0.
 *  A window stands where it ends, for that is what the boundary is about. Returns {x (s), names, lines: [[...]], open: [bool]}. */
export function lines(view, rows, measure, { split = null, linesMax = 6, step = 0 } = {}) {
  const totals = new Map();
  const windows = new Map();
  for (const { row, end: time, isFinal } of rows) {
    const name = split === null ? '' : String(row[split] ?? '–');
    const number = value(row, measure.name);
    let window = windows.get(time);
    if (!window) windows.set(time, (window = { isOpen: false, values: new Map() }));
    window.isOpen ||= !isFinal;
    if (number === null) continue;
    window.values.set(name, measure.adds ? (window.values.get(name) ?? 0) + number : Math.max(window.values.get(name) ?? -Infinity, number));
    totals.set(name, (totals.get(name) ?? 0) + number);
  }
  const names = [...totals].sort((a, b) => b[1] - a[1]).slice(0, linesMax).map(([name]) => name);
  let times = [...windows.keys()].sort((a, b) => a - b);
  if (measure.adds && step > 0 && times.length > 1) {
    const full = [];
    for (let time = times[0]; time <= times.at(-1) && full.length < 5000; time += step) full.push(time);
    if (times.every((time) => (time - times[0]) % step === 0) && full.length < 5000) times = full;
  }
  const none = measure.adds ? 0 : null;
  // A window without rows is over where those before it are.
  let isOpen = false;
  const open = times.map((time) => (isOpen = windows.get(time)?.isOpen ?? isOpen));
  return {
    x: times.map((time) => time / 1000),
    names,
    lines: names.map((name) => times.map((time) => windows.get(time)?.values.get(name) ?? none)),
    open,
  };
}

/** Rows in groups by a column: [{name, total, trend: [per slot], before, after}], the largest first. A slot is as many windows of `step` as make at most
 *  SLOTS_MAX of them; before and after are the halves of the windows that are over. */
export function groups(rows, key, measure, step) {
  if (rows.length === 0) return [];
  const from = rows[0].start;
  const indexOf = ({ start }) => Math.round((start - from) / step);
  const windows = indexOf(rows.at(-1)) + 1;
  const over = Math.max(...rows.filter(({ isFinal }) => isFinal).map(indexOf), 0) + 1;
  const half = Math.floor(over / 2);
  const perSlot = Math.ceil(windows / SLOTS_MAX);
  const found = new Map();
  for (const each of rows) {
    const name = each.row[key];
    let group = found.get(name);
    if (!group) found.set(name, (group = { name, total: 0, trend: new Array(Math.ceil(windows / perSlot)).fill(0), before: 0, after: 0 }));
    const number = value(each.row, measure.name) ?? 0;
    const index = indexOf(each);
    group.total += number;
    group.trend[Math.floor(index / perSlot)] += number;
    if (index < half) group.before += number;
    else if (index >= over - half && index < over) group.after += number;
  }
  return [...found.values()].sort((a, b) => b.total - a.total);
}

function quantile(sorted, q) {
  const at = (sorted.length - 1) * q;
  const low = Math.floor(at);
  return sorted[low] + (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]) * (at - low);
}

/** Where most values lie: the fences of Tukey, one and a half widths of the middle half beyond it. Fewer than 8 values have none. */
export function normalRange(values) {
  if (values.length < 8) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const [low, middle, high] = [0.25, 0.5, 0.75].map((q) => quantile(sorted, q));
  const reach = 1.5 * (high - low);
  return { low: Math.max(0, low - reach), high: high + reach, middle };
}
