// table.js: rows as a table that can be scrolled and sorted by keys, too.
import { el, said, count } from './text.js';

const ROWS_SHOWN = 200;

/** columns: [{name, title, isNumber, show(value, row)}]; rows: objects; sort: {name, down}. isTitled: the caption is seen. What is beyond ROWS_SHOWN
 *  is counted, not shown. */
export function table(caption, columns, rows, { sort = null, onSort = null, rowClass = null, left = 0, shown = ROWS_SHOWN, isTitled = false } = {}) {
  const seen = rows.slice(0, shown);
  const head = columns.map((column) => {
    const isSorted = sort?.name === column.name;
    const attributes = { scope: 'col', 'aria-sort': isSorted ? (sort.down ? 'descending' : 'ascending') : null };
    const title = column.title ?? column.name;
    return el(column.isNumber ? 'th.n' : 'th', attributes, onSort ? el('button.sort', { type: 'button', onclick: () => onSort({ name: column.name, down: isSorted ? !sort.down : column.isNumber }) }, said(title, 60), el('span', { 'aria-hidden': 'true' }, isSorted ? (sort.down ? ' ↓' : ' ↑') : '')) : said(title, 60));
  });
  const body = seen.map((row) => el(`tr${rowClass?.(row) ? `.${rowClass(row)}` : ''}`, {}, columns.map((column) => {
    const value = row[column.name];
    const cell = column.show ? column.show(value, row) : said(value);
    return el(column.isNumber ? 'td.n' : 'td', {}, cell);
  })));
  const more = Math.max(0, rows.length - shown) + left;
  return el('div.wide', { tabindex: '0', role: 'region', 'aria-label': `Rows of: ${caption}` },
    el('table', {}, el(isTitled ? 'caption' : 'caption.unseen', {}, caption, more > 0 ? el('span.soft', {}, `: the first ${count(Math.min(shown, rows.length))} of ${count(rows.length + left)}`) : ''),
      el('thead', {}, el('tr', {}, head)), el('tbody', {}, body.length > 0 ? body : el('tr', {}, el('td.soft', { colspan: columns.length }, 'none')))));
}
