// trust.js: how far each layer is, whether all events are accounted for, what the last reconciliation found, runs, checks, and corrections since the page was opened.
import { el, swap, said, legible, number, count, span, ago, moment, dated } from './text.js';
import { table } from './table.js';
import { differences } from './source.js';

const CORRECTIONS_MAX = 100;
const OUTCOMES = { counted: 'counted', partly_counted: 'partly counted', filtered: 'filtered', late: 'late', duplicate: 'duplicates', future: 'future', rejected: 'rejected', dead_letter: 'dead letters' };
const CAUSES = { late_event: 'a late event', publication: 'batch has published', rollback: 'a run was rolled back', definition: 'the definition has changed' };

function panel(id, title, width = '') {
  const body = el('div');
  return { body, element: el(`section.panel${width}`, { 'aria-labelledby': `trust-${id}` }, el('header', {}, el('h3', { id: `trust-${id}` }, title)), body) };
}

const time = (text) => (text ? Date.parse(text) : null);
const bar = (name, share) => {
  const part = el(`span.${name}`);
  part.style.inlineSize = `${share * 100}%`;
  return part;
};

export class Trust {
  #api; #corrections = []; #parts;

  constructor(host, api) {
    this.#api = api;
    this.#parts = {
      layers: panel('layers', 'How far each layer is', '.widest'),
      reconciliation: panel('reconciliation', 'Last reconciliation'),
      events: panel('events', 'Is every event accounted for?', '.wider'),
      corrections: panel('corrections', 'Corrections since this page was opened', '.widest'),
      runs: panel('runs', 'Runs of batch', '.widest'),
      checks: panel('checks', 'Checks', '.widest'),
    };
    host.replaceChildren(...Object.values(this.#parts).map(({ element }) => element));
    this.showCorrections();
  }

  /** What fails leaves its panel as it was, with a word about it. */
  async refresh() {
    const parts = [['reconciliation', 'reconciliations?limit=12', (a) => this.showReconciliation(a)], ['events', 'status', (a) => this.showEvents(a)], ['runs', 'runs?limit=10', (a) => this.showRuns(a)], ['checks', 'checks', (a) => this.showChecks(a)]];
    await Promise.all(parts.map(async ([name, path, show]) => {
      try {
        const answer = await this.#api(path);
        // A table that is being read keeps its place.
        const text = JSON.stringify(answer.reconciliations ?? answer.runs ?? answer.rows ?? answer.checks ?? answer);
        if (this.#parts[name].text === text) return;
        this.#parts[name].text = text;
        show(answer);
      } catch (error) {
        if (!this.#parts[name].text) swap(this.#parts[name].body, el('p.bad', {}, legible(error.message)));
      }
    }));
  }

  showLayers(views, now) {
    const rows = views.map((view) => ({ view, name: view.name, boundary: time(view.boundary), final: time(view.speed?.final_to), run: view.batch?.run, published: time(view.batch?.published_at), pending: view.pending }));
    const known = rows.flatMap(({ boundary, final, view }) => [boundary, final, time(view.published_from)]).filter((t) => t !== null);
    const to = Math.max(...known, ...(known.length > 0 && now - Math.max(...known) < 86_400_000 ? [now] : []));
    // What is published from the beginning on has no start that could be shown: its bar begins somewhat before.
    const isOpen = rows.some(({ boundary, view }) => boundary !== null && !view.published_from);
    const least = Math.min(...known, to - 1);
    const from = isOpen ? least - Math.max(3_600_000, 4 * (to - least)) : least;
    const place = (ms) => (ms === null ? 0 : Math.max(0, Math.min(1, (ms - from) / (to - from))));
    const strip = ({ boundary, final, view }) => {
      const start = place(time(view.published_from));
      const published = boundary === null ? start : Math.max(start, place(boundary));
      const ended = Math.max(published, place(final));
      return el('div.strip', { role: 'img', 'aria-label': `${boundary === null ? 'nothing reconciled' : `reconciled up to ${moment(boundary)}`}, ${final === null ? 'nothing final' : `final up to ${moment(final)}`}` }, bar('rest', start), bar('batch', published - start), bar('speed', ended - published), bar('open', 1 - ended));
    };
    const when = (ms) => (ms === null ? el('span.soft', {}, 'nothing yet') : el('span', {}, moment(ms), el('span.soft', {}, ` ${ago(now - ms)}`)));
    swap(this.#parts.layers.body,
      el('ul.legend', {}, ...[['batch', 'reconciled by batch'], ['speed', 'final in the stream'], ['open', 'still open']].map(([name, text]) => el('li', {}, el(`span.mark.${name}`), text))),
      table('Views and their layers', [
        { name: 'name', title: 'view' }, { name: 'strip', title: 'how far', show: (_, row) => strip(row) }, { name: 'boundary', title: 'batch: reconciled up to', show: when },
        { name: 'final', title: 'speed: final up to', show: when }, { name: 'run', title: 'run', isNumber: true }, { name: 'published', title: 'published', show: (ms) => (ms === null ? '–' : moment(ms)) },
        { name: 'pending', title: 'kept back', isNumber: true, show: (n) => (n > 0 ? el('span.bad', {}, count(n)) : '0') },
      ], rows));
  }

  showReconciliation({ reconciliations: all = [] }) {
    const { body } = this.#parts.reconciliation;
    const [it] = all;
    if (!it) {
      swap(body, el('p.empty', {}, 'There was none yet. ', el('code', {}, 'tally reconcile'), ' makes one.'));
      return;
    }
    const { groups, equal, explained, unexplained, pending = 0 } = it.summary;
    const parts = [['equal', equal, 'equal'], ['explained', explained, 'explained'], ['unexplained', unexplained, 'not explained']];
    const causes = Object.entries(it.causes ?? {}).sort((a, b) => b[1] - a[1]);
    const most = Math.max(1, ...causes.map(([, n]) => n));
    swap(body, ...[
      el('p.verdict', {}, unexplained === 0 ? el('strong.good', {}, '✓ ', equal === groups ? 'Both layers agree.' : 'Each difference is explained.') : el('strong.bad', {}, `✗ ${count(unexplained)} differences are not explained.`)),
      el('p.note', {}, `${count(groups)} groups compared`, it.compared?.to ? `, ${it.compared.from ? `${moment(time(it.compared.from))} to` : 'up to'} ${moment(time(it.compared.to))}` : '', it.started ? `; made ${dated(time(it.started))}.` : '.'),
      el('div.share', { role: 'img', 'aria-label': parts.map(([, n, text]) => `${count(n)} ${text}`).join(', ') }, parts.filter(([, n]) => n > 0).map(([name, n]) => bar(name, n / Math.max(1, groups)))),
      el('ul.legend', {}, parts.map(([name, n, text]) => el('li', {}, el(`span.mark.${name}`), el('strong', {}, count(n)), ` ${text}`)), pending > 0 ? el('li.soft', {}, `${count(pending)} pending`) : ''),
      causes.length > 0 ? el('h4', {}, 'Events behind the differences, by cause') : '',
      el('ol.bars.causes', {}, causes.map(([name, n]) => el('li', {}, bar('bar', n / most), el('span.pick', {}, said(name.replaceAll('_', ' '), 60)), el('span.n', {}, count(n))))),
      all.length > 1 ? this.#history(all) : ''].flat());
    return undefined;
  }

  #history(all) {
    const rows = all.map((each) => ({ id: each.id, started: time(each.started), ...each.summary }));
    return el('details', {}, el('summary', {}, `The last ${count(all.length)}`), table('Reconciliations', [{ name: 'id', title: 'no.', isNumber: true }, { name: 'started', title: 'made', show: (ms) => dated(ms) }, ...['groups', 'equal', 'explained', 'unexplained'].map((name) => ({ name, title: name, isNumber: true, show: (n) => (name === 'unexplained' && n > 0 ? el('span.bad', {}, count(n)) : count(n)) }))], rows));
  }

  showEvents(answer) {
    const views = answer.views ?? [];
    const { body } = this.#parts.events;
    this.late = views.reduce((sum, { speed }) => Math.max(sum, (speed?.late ?? 0) + (speed?.partly_counted ?? 0)), 0);
    this.events = Math.max(0, ...views.map(({ events }) => events ?? 0));
    this.onLate?.();
    if (views.length === 0) {
      swap(body, el('p.empty', {}, 'No view has been counted yet.'));
      return;
    }
    const agrees = answer.agrees !== false;
    const rows = views.map((view) => ({ name: view.view, events: view.events, ...view.speed }));
    const names = Object.keys(OUTCOMES).filter((name) => name === 'counted' || rows.some((row) => row[name] > 0));
    const archive = (answer.archive ?? []).map(({ topic, as_of: asOf }) => [topic, time(asOf)]).filter(([, ms]) => ms !== null);
    const lag = Math.max(0, ...views.flatMap(({ partitions = [] }) => partitions.map(({ lag: n }) => n ?? 0)));
    swap(body,
      el('p.verdict', {}, agrees ? el('strong.good', {}, '✓ Each event has one outcome, and they sum up.') : el('strong.bad', {}, '✗ Some events are not accounted for.')),
      el('p.note', {}, lag > 0 ? `${count(lag)} events of the log are still to be read. ` : 'The log is read to its end. ', archive.length > 0 ? `The record is complete as of ${dated(Math.min(...archive.map(([, ms]) => ms)))}.` : ''),
      table('Events by what became of them', [{ name: 'name', title: 'view' }, { name: 'events', title: 'read', isNumber: true, show: (n) => count(n ?? 0) }, ...names.map((name) => ({ name, title: OUTCOMES[name], isNumber: true, show: (n) => count(n ?? 0) }))], rows));
  }

  showRuns(answer) {
    const rows = answer.runs ?? answer.rows ?? [];
    swap(this.#parts.runs.body, table('Runs, the newest first', [
      { name: 'run', title: 'run', isNumber: true }, { name: 'state', title: 'state', show: (v) => (/failed|kept back|rolled/.test(v) ? el('span.bad', {}, said(v)) : said(v)) }, { name: 'reason', title: 'why' },
      { name: 'started', title: 'started', show: (v) => dated(time(v)) }, { name: 'seconds', title: 'took', isNumber: true, show: (v) => (v === null || v === undefined ? '–' : span(Number(v) * 1000)) },
      { name: 'ranges', title: 'ranges', isNumber: true, show: (v) => number(v) }, { name: 'events', title: 'events', isNumber: true, show: (v) => number(v) }, { name: 'rows', title: 'rows', isNumber: true, show: (v) => number(v) },
      { name: 'checks_failed', title: 'checks failed', isNumber: true, show: (v) => (Number(v) > 0 ? el('span.bad', {}, number(v)) : number(v)) },
      { name: 'note', title: 'remark', show: (_, row) => (row.failure || row.note ? said(row.failure || row.note) : '') }], rows));
  }

  showChecks(answer) {
    // What is checked of a table is told of each view that reads it.
    const found = new Map();
    for (const { view, ...row } of answer.checks ?? answer.rows ?? []) {
      const id = JSON.stringify(row);
      found.set(id, { ...row, views: [...(found.get(id)?.views ?? []), view] });
    }
    const rows = [...found.values()];
    const isBad = (v) => !/pass/i.test(String(v));
    swap(this.#parts.checks.body, table('Checks, of each the newest', [
      { name: 'check', title: 'check' }, { name: 'views', title: 'view', show: (names) => (names.length > 2 ? el('span', { title: legible(names.join(', '), 300) }, `${count(names.length)} views`) : said(names.join(', '))) }, { name: 'verdict', title: 'verdict', show: (v) => el(isBad(v) ? 'span.bad' : 'span.good', {}, isBad(v) ? '✗ ' : '✓ ', said(v)) },
      { name: 'measured', title: 'measured', isNumber: true, show: (v) => number(v) }, { name: 'bounds', title: 'bounds', show: (_, row) => (row.bounds !== undefined ? said(row.bounds) : row.low === null && row.high === null ? '–' : `${row.low ?? '…'} to ${row.high ?? '…'}`) },
      { name: 'violations', title: 'violations', isNumber: true, show: (v) => number(v) }, { name: 'to', title: 'of', show: (v) => (v ? moment(time(v)) : '–') }, { name: 'run', title: 'run', isNumber: true },
    ], [...rows].sort((a, b) => isBad(b.verdict) - isBad(a.verdict))));
  }

  /** A correction of a number that was shown: for the list and for whoever shows it briefly. Returns its words. */
  correct(correction) {
    const changed = differences(correction);
    const { start, end } = correction.view;
    const key = Object.entries(correction.key ?? {}).filter(([name]) => name !== end && !name.startsWith('_')).map(([name, v]) => (name === start ? moment(time(v)) : `${name} ${legible(v, 60)}`));
    const it = {
      at: Date.now(), view: correction.view.name, key: key.join(', '), run: correction.run ?? null,
      cause: CAUSES[correction.cause] ?? legible(correction.cause, 60),
      what: correction.row === null ? 'is no more' : changed.map(({ name, before, after }) => `${name} ${legible(before, 60)} → ${legible(after, 60)}`).join(', '),
    };
    this.#corrections.unshift(it);
    this.#corrections.length = Math.min(this.#corrections.length, CORRECTIONS_MAX);
    this.showCorrections();
    return it;
  }

  showCorrections() {
    swap(this.#parts.corrections.body, this.#corrections.length === 0 ? el('p.empty', {}, 'None: no number that was shown has changed.') : table('Numbers that were shown and have changed', [
      { name: 'at', title: 'seen', show: (ms) => moment(ms) }, { name: 'view', title: 'view' }, { name: 'key', title: 'which', show: (v) => said(v, 200) }, { name: 'what', title: 'before → now', show: (v) => el('strong', {}, said(v, 200)) }, { name: 'cause', title: 'because' }, { name: 'run', title: 'run', isNumber: true }], this.#corrections, { shown: 30 }));
  }
}
