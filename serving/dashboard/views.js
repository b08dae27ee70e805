// views.js: what a view holds, by the names, types and roles of its columns, and so which pictures it is good for.
import { words } from './text.js';

const IS_NUMBER = /INT|DOUBLE|FLOAT|REAL|DECIMAL|NUMERIC/i;
const IS_TIME = /TIMESTAMP|DATE/i;
// What may not be added up over keys and windows: distinct counts, extremes, averages, quantiles, shares.
const IS_NOT_A_SUM = /visitor|user|unique|distinct|people|avg|average|mean|max|min|median|slowest|fastest|largest|smallest|longest|shortest|first|last|rate|share|ratio|percent|(^|_)p\d\d/i;

function unitOf(name) {
  if (/(_ms|_millis|duration|latency)$/i.test(name) || /_ms(_|$)/i.test(name)) return 'ms';
  if (/bytes|octets/i.test(name)) return 'bytes';
  return /share|ratio|_rate$/i.test(name) ? 'share' : '';
}

/** One of /api/v1/views, read. */
export function describe(view) {
  const of = (...roles) => view.columns.filter((column) => roles.includes(column.role));
  const values = view.columns.filter((column) => !['window_start', 'window_end', 'key'].includes(column.role) && IS_NUMBER.test(column.type));
  const measures = values.map(({ name }) => ({ name, label: words(name), unit: unitOf(name), adds: !IS_NOT_A_SUM.test(name) }));
  const times = [...of('time'), ...view.columns.filter(({ type, role }) => IS_TIME.test(type) && role === 'value')];
  return {
    ...view,
    label: words(view.name),
    keys: of('key').map(({ name }) => name),
    texts: view.columns.filter(({ type, role }) => role !== 'window_start' && role !== 'window_end' && !IS_NUMBER.test(type) && !IS_TIME.test(type)).map(({ name }) => name),
    measures,
    start: of('window_start')[0]?.name,
    end: of('window_end')[0]?.name,
    time: times[0]?.name,
    isWindowed: of('window_end').length > 0 && view.kind !== 'events',
  };
}

export const columnOf = (view, name) => view.columns.find((column) => column.name === name);
const first = (list, pattern, also = () => true) => list.find((item) => pattern.test(item.name ?? item) && also(item));

/** The count that says most about how much is going on. */
function mainCount(view) {
  const sums = view.measures.filter(({ adds, unit }) => adds && unit === '');
  return first(sums, /request/i) ?? first(sums, /view|hit|click|visit/i) ?? first(sums, /event|count|^n$|num/i) ?? sums[0];
}

const isSlide = ({ kind }) => kind === 'tumble' || kind === 'hop';
/** How many rows a window has at most likely: few keys make a better line. */
const spread = (view) => view.keys.filter((key) => !/^(host|site|method|status)$/i.test(key)).length;
/** Has it few rows a window? */
export const isNarrow = (view) => spread(view) === 0;

const TOPICS = [
  [/^(page|path|url|title)/i, 'Top pages'],
  [/refer|source|from_site/i, 'Top referrers'],
  [/country|city|region|place/i, 'Where from'],
  [/browser|agent|device|os$/i, 'What with'],
  [/^status|code$/i, 'Answers by status'],
];

/** Which panels there are, in their order on the page: {kind, title, view, ...}. `seconds(view)`: the length of its windows. */
export function plan(views, seconds) {
  const panels = [];
  const windowed = views.filter((view) => view.isWindowed);
  const steps = windowed.filter((view) => isSlide(view) && mainCount(view) !== undefined);
  const rank = (view) => (/request/i.test(mainCount(view).name) ? 0 : /view|hit/i.test(mainCount(view).name) ? 1 : 2) + 3 * spread(view) + (view.kind === 'tumble' ? 0 : 0.5) + Math.log10(seconds(view) + 1) / 10;
  const main = [...steps].sort((a, b) => rank(a) - rank(b))[0];
  if (main) {
    const measure = mainCount(main);
    panels.push({ kind: 'rate', id: 'rate', title: `${measure.label.replace(/^./, (c) => c.toUpperCase())} per minute`, view: main, measure, wide: true });
  }
  const crowd = views.filter(isSlide).map((view) => ({ view, measure: first(view.measures, /visitor|user|people|unique|distinct/i) })).filter(({ measure }) => measure)
    .sort((a, b) => spread(a.view) - spread(b.view))[0];
  if (crowd) panels.push({ kind: 'line', id: 'visitors', title: 'Visitors', ...crowd });

  const seen = new Set();
  for (const [pattern, title] of TOPICS) {
    const found = steps.map((view) => ({ view, measure: mainCount(view), key: first(view.keys, pattern) })).filter(({ key }) => key)
      .sort((a, b) => a.view.keys.length - b.view.keys.length)[0];
    if (!found) continue;
    panels.push({ kind: 'top', id: `top-${found.key}`, title, ...found });
    seen.add(found.key);
  }
  // Keys that no pattern knows: of each view that is not shown yet, its first.
  for (const view of steps) {
    const key = view.keys.find((name) => !seen.has(name));
    if (key === undefined || panels.some((panel) => panel.kind === 'top' && panel.view === view) || seen.size >= 6) continue;
    if (view.keys.length === 1 || !seen.has(key)) {
      seen.add(key);
      panels.push({ kind: 'top', id: `top-${key}`, title: `By ${words(key)}`, isGuess: true, view, measure: mainCount(view), key });
    }
  }
  const sessions = windowed.find((view) => view.kind === 'session');
  if (sessions) panels.push({ kind: 'sessions', id: 'sessions', title: 'Sessions', view: sessions });
  const funnel = funnelOf(windowed);
  if (funnel) panels.push({ kind: 'funnel', id: 'funnel', title: 'Funnel', ...funnel });
  // Of the views that tell single hours apart the one with the fewest rows.
  const hourly = steps.filter((view) => view.kind === 'tumble' && seconds(view) <= 3600).sort((a, b) => spread(a) - spread(b) || seconds(b) - seconds(a))[0];
  if (hourly) panels.push({ kind: 'heat', id: 'heat', title: 'Peak hours', view: hourly, measure: mainCount(hourly), wide: true });
  const stream = views.find((view) => view.kind === 'events');
  if (stream) panels.push({ kind: 'events', id: 'events', title: `Latest ${stream.label}`, view: stream });
  if (views.length > 0) panels.push({ kind: 'explore', id: 'explore', title: 'Any view', view: main ?? views[0], wide: true });
  return panels;
}

/** How far people come: one column that says which step was reached, or one column a step. */
function funnelOf(views) {
  const reached = (view) => first(view.measures, /reached|step|stage|depth|funnel/i);
  const named = views.find((view) => /funnel|checkout|conversion/i.test(view.name));
  const view = (named && reached(named) && named) ?? views.find((each) => each.kind === 'count' && reached(each)) ?? views.find(reached) ?? named;
  if (!view) return null;
  const column = reached(view);
  const steps = view.measures.filter(({ adds }) => adds);
  if (column && !/^step_\d/i.test(column.name)) return { view, measure: column };
  return steps.length > 1 ? { view, steps } : null;
}
