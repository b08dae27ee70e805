// user_agent.js: which browser, operating system and device a user agent is: the rules of uap-core, applied as common/core/user_agent.c does. Texts
// are bytes (Latin-1 here), so that letters fold in ASCII alone.
'use strict';

const fs = require('node:fs');

const SECTIONS = {
  user_agent_parsers: ['family_replacement', 'v1_replacement', 'v2_replacement', 'v3_replacement', 'v4_replacement'],
  os_parsers: ['os_replacement', 'os_v1_replacement', 'os_v2_replacement', 'os_v3_replacement', 'os_v4_replacement'],
  device_parsers: ['device_replacement', 'brand_replacement', 'model_replacement'],
};
// Which group a field is without a replacement: in turn, but of a device the first is family and model, and none the brand.
const GROUPS = { user_agent_parsers: [1, 2, 3, 4, 5], os_parsers: [1, 2, 3, 4, 5], device_parsers: [1, 99, 1] };

const bytesOf = (text) => Buffer.from(text).toString('latin1');
const textOf = (bytes) => Buffer.from(bytes, 'latin1').toString();

function compile(section, rule) {
  return {
    regex: new RegExp(bytesOf(rule.regex), rule.regex_flag === 'i' ? 'i' : ''),
    replacements: SECTIONS[section].map((field) => (rule[field] === undefined ? null : bytesOf(String(rule[field])))),
  };
}

function field(rule, groups, match, i) {
  const replacement = rule.replacements[i];
  const value = replacement === null ? match[groups[i]] : replacement.replace(/\$([1-9])/g, (_, n) => match[n] ?? '');
  return textOf((value ?? '').trim()) || null;
}

function section(rules, groups, text) {
  for (const rule of rules) {
    const match = rule.regex.exec(text);
    if (match === null) continue;
    const fields = groups.map((_, i) => field(rule, groups, match, i));
    return [fields[0] ?? 'Other', ...fields.slice(1)];
  }
  return ['Other', ...groups.slice(1).fill(null)];
}

/** The file of rules (uap-core's unless told otherwise) -> a function of a text in Latin-1. */
function readRules(file = require.resolve('uap-core/regexes.yaml')) {
  const yaml = require('js-yaml').load(fs.readFileSync(file, 'utf8'));
  const rules = Object.fromEntries(Object.keys(SECTIONS).map((name) => [name, yaml[name].map((rule) => compile(name, rule))]));
  return (text) => {
    const [browser, os, device] = Object.keys(SECTIONS).map((name) => section(rules[name], GROUPS[name], text));
    return {
      family: browser[0], major: browser[1], minor: browser[2], patch: browser[3],
      os: { family: os[0], major: os[1], minor: os[2], patch: os[3], patch_minor: os[4] },
      device: { family: device[0], brand: device[1], model: device[2] },
    };
  };
}

module.exports = { readRules };
