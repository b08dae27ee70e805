// options.js: what a site sets. A mistake here is told when the site starts; later nothing of tally is.
'use strict';

const DEFAULTS = {
  collect: undefined,
  token: undefined,
  kafka: undefined,
  trustProxy: [],
  redactHeaders: [],
  maskParams: [],
  exclude: [],
  fileExtensions: undefined,
  skip: undefined,
  anonymizeIp: false,
  honorDnt: false,
  logLocalhost: false,
  maxEvents: 10_000,
  maxBytes: 16 * 1024 * 1024,
  answerMs: 2000,
  closeMs: 3000,
  signals: true,
  log: console.warn,
};

const bad = (name, what) => {
  throw new TypeError(`tally: ${name}: ${what}`);
};

const KINDS = {
  token: 'string', kafka: 'object', trustProxy: 'list', redactHeaders: 'list', maskParams: 'list', exclude: 'list', fileExtensions: 'list',
  skip: 'function', anonymizeIp: 'boolean', honorDnt: 'boolean', logLocalhost: 'boolean', maxEvents: 'number', maxBytes: 'number', answerMs: 'number', closeMs: 'number',
  signals: 'boolean', log: 'function',
};

function check(options) {
  for (const [name, kind] of Object.entries(KINDS)) {
    const value = options[name];
    if (value === undefined) continue;
    if (kind === 'list' ? !Array.isArray(value) || value.some((item) => typeof item !== 'string') : typeof value !== kind)
      bad(name, `it is to be a ${kind === 'list' ? 'list of texts' : kind}`);
  }
  if ((options.collect === undefined) === (options.kafka === undefined))
    bad('collect', "the collector's address ('http://127.0.0.1:8080/tally/collect') or kafka: {brokers} is to be there, one of the two");
  if (options.collect !== undefined && (!URL.canParse(options.collect) || !/^https?:/.test(options.collect)))
    bad('collect', `'${options.collect}' is no address; 'http://127.0.0.1:8080/tally/collect' would be one`);
  if (options.kafka !== undefined && !(Array.isArray(options.kafka.brokers) && options.kafka.brokers.length > 0))
    bad('kafka', "brokers is to be a list, such as ['127.0.0.1:9092']");
}

function optionsOf(given = {}) {
  const fromEnvironment = { collect: process.env.TALLY_COLLECT || undefined, token: process.env.TALLY_TOKEN || undefined };
  for (const name of Object.keys(given)) if (!(name in DEFAULTS)) bad(name, `there is no such option; there are ${Object.keys(DEFAULTS).join(', ')}`);
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const options = { ...DEFAULTS, ...(set.kafka === undefined ? fromEnvironment : {}), ...set };
  check(options);
  return options;
}

module.exports = { optionsOf };
