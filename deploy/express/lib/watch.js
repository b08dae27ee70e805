// watch.js: one request and its answer: the event leaves when the answer's head does, after answerMs at the latest, or when the connection ends.
'use strict';

const { eventOf } = require('./event.js');

// Where a middleware and the Next integration see the same request, it counts once; also when the package is there twice.
const SEEN = Symbol.for('tally.seen');

/** What the answer's Content-Length says. A length that Node itself has put there is only in the head's text. */
function lengthOf(res) {
  const stated = res.getHeader('content-length') ?? /\r\ncontent-length: *(\d+)\r\n/i.exec(res._header ?? '')?.[1];
  const bytes = Number(Array.isArray(stated) ? stated[0] : stated);
  return Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : null;
}

/** Calls `then` once the head has been written. */
function onHead(res, then) {
  const { writeHead } = res;
  res.writeHead = function (...args) {
    const result = writeHead.apply(this, args);
    try {
      then();
    } catch {
      // The site comes first.
    }
    return result;
  };
}

function watch(req, res, tally) {
  try {
    if (req[SEEN]) return;
    req[SEEN] = true;
    const event = eventOf(req, tally);
    if (event === null) return;
    const started = performance.now();
    let left = false;
    const leave = (answered) => {
      if (left) return;
      left = true;
      clearTimeout(timer);
      if (answered) {
        event.status = res.statusCode;
        event.duration_ms = Math.round(performance.now() - started);
        event.bytes = lengthOf(res);
      }
      tally.queue.put(event);
    };
    const timer = setTimeout(leave, tally.answerMs, false);
    timer.unref();
    onHead(res, () => leave(true));
    res.once('close', () => leave(false));
  } catch (error) {
    tally.report.once(`a request was not logged: ${error.message}`);
  }
}

module.exports = { watch };
