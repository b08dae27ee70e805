// report.js: what the operator reads: one line when something goes wrong, and one when it is well again.
'use strict';

function reportOf(write) {
  const said = new Set();
  let trouble = null;
  const line = (text) => {
    try {
      write(`tally: ${text}`);
    } catch {
      // Whoever writes it may not stop the site either.
    }
  };
  return {
    /** Said the first time alone. */
    once(text) {
      if (said.has(text) || said.size >= 100) return;
      said.add(text);
      line(text);
    },
    /** A state: `text` when it begins, null when it is over. */
    state(text) {
      if (text !== null && trouble === null) line(text);
      if (text === null && trouble !== null) line('events are taken again');
      trouble = text;
    },
  };
}

module.exports = { reportOf };
