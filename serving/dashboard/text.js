// text.js: elements, and how texts, numbers and times are written. Texts come from whoever sent a request: they become text nodes and nothing else.

/** An element. Attributes that begin with "on" are listeners; null, undefined and false are left out; children are nodes or texts. */
export function el(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split('.');
  const node = document.createElement(tag || 'div');
  if (classes.length > 0) node.className = classes.join(' ');
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** New content for `host`; who reads or uses what it had stays where he was. */
export function swap(host, ...nodes) {
  const inside = (selector) => [...host.querySelectorAll(selector)];
  const focused = inside('button, a, summary, [tabindex]').indexOf(document.activeElement);
  const scrolled = inside('.wide').map(({ scrollTop, scrollLeft }) => ({ scrollTop, scrollLeft }));
  const opened = inside('details').map(({ open }) => open);
  host.replaceChildren(...nodes);
  inside('.wide').forEach((each, i) => Object.assign(each, scrolled[i]));
  inside('details').forEach((each, i) => { each.open = opened[i] ?? false; });
  if (focused >= 0) inside('button, a, summary, [tabindex]')[focused]?.focus({ preventScroll: true });
}

const SHOWN_MAX = 160;

/** A text as it can be read: what controls the terminal or the direction of writing is spelled out, and what is long is cut, between characters. */
export function legible(value, max = SHOWN_MAX) {
  if (value === null || value === undefined) return '–';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  let shown = text;
  if (text.length > max) {
    let end = max;
    if (/[\ud800-\udbff]/.test(text[end - 1])) end--;
    shown = `${text.slice(0, end)}… (${count(text.length)} characters)`;
  }
  return shown.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, (c) =>
    c === '\t' || c === '\n' ? ' ' : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The same as an element that keeps its direction of writing to itself. */
export function said(value, max) {
  if (value === '' || value === null || value === undefined) return el('span.soft', {}, value === '' ? '(empty)' : '(none)');
  return el('bdi.said', {}, legible(value, max));
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const some = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
const tenths = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });

export const count = (n) => (Number.isInteger(n) || Math.abs(n) >= 1000 ? whole.format(n) : some.format(n));

/** A number in its unit; `short`: for an axis or a tile. */
export function number(value, unit = '', short = false) {
  const n = typeof value === 'number' ? value : Number(value);
  if (value === null || value === undefined || value === '' || Number.isNaN(n)) return '–';
  if (unit === 'ms') return short ? brief(n) : span(n);
  if (unit === 'bytes') {
    const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
    const step = n === 0 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(Math.abs(n)) / 3));
    return `${some.format(n / 1000 ** Math.max(0, step))} ${units[Math.max(0, step)]}`;
  }
  if (unit === 'share') return n > 0 && n < 0.0005 ? '<0.1 %' : `${(n >= 0.1 ? whole : tenths).format(n * 100)} %`;
  return short && Math.abs(n) >= 10_000 ? compact.format(n) : count(n);
}

/** As few letters as can be, for a cell of a picture. */
export const short = (n, unit) => (unit === '' ? compact.format(n) : number(n, unit, true));

/** A length of time in one unit, for an axis. */
function brief(ms) {
  const [name, size] = [['d', 86_400_000], ['h', 3_600_000], ['min', 60_000], ['s', 1000], ['ms', 1]].find(([, each]) => Math.abs(ms) >= each) ?? ['', 1];
  return `${some.format(ms / size)} ${name}`.trim();
}

/** A length of time, in its two largest units. */
export function span(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return '–';
  if (Math.abs(ms) < 1000) return `${some.format(ms)} ms`;
  const units = [['d', 86_400], ['h', 3600], ['min', 60], ['s', 1]];
  const seconds = Math.round(ms / 1000);
  const first = units.findIndex(([, size]) => Math.abs(seconds) >= size);
  const [name, size] = units[Math.max(0, first)];
  const rest = first >= 0 && first < 3 ? Math.floor((Math.abs(seconds) % size) / units[first + 1][1]) : 0;
  return `${Math.trunc(seconds / size)} ${name}${rest > 0 ? ` ${rest} ${units[first + 1][0]}` : ''}`;
}

export const ago = (ms) => (ms < 1000 ? 'just now' : `${span(ms)} ago`);

let zone;
const formats = new Map();

export function useZone(name) {
  zone = name;
  formats.clear();
}
export const zoneInUse = () => zone;

function formatted(ms, key, options) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return '–';
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', ...options }));
  return formats.get(key).format(ms);
}

const day = { month: 'short', day: 'numeric' };
const minute = { hour: '2-digit', minute: '2-digit' };
export const date = (ms) => formatted(ms, 'date', day);
export const clock = (ms) => formatted(ms, 'clock', minute);
export const clockSeconds = (ms) => formatted(ms, 'seconds', { ...minute, second: '2-digit' });
export const moment = (ms) => formatted(ms, 'moment', { ...day, ...minute, second: '2-digit' });
export const dated = (ms) => formatted(ms, 'dated', { year: 'numeric', ...day, ...minute, second: '2-digit' });
const WEEKDAYS = { Mon: 0, Tue: 1, Wed: 2, Thu: 3, Fri: 4, Sat: 5, Sun: 6 };
/** [weekday from Monday, hour] on the wall clock of the zone. */
export function weekHour(ms) {
  const [name, hour] = formatted(ms, 'week', { weekday: 'short', hour: '2-digit' }).split(/,? /);
  return [WEEKDAYS[name], Number(hour)];
}

/** What a name says to a reader: "num_hits" -> "hits". */
export const words = (name) => legible(name, 60).replace(/^(num|count|n|cnt)_(?=.)/i, '').replace(/_(count|sum|ms)$/i, '').replaceAll('_', ' ');
