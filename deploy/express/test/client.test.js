// client.test.js: addresses, and networks of them.
'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { anonymize, clientOf, trust } = require('../lib/client.js');

const from = (peer, headers = {}, trusted = []) => clientOf({ socket: { remoteAddress: peer }, headers }, trust(trusted)).ip;

test('a peer by its address alone', () => {
  const cases = [['::ffff:203.0.113.7', '203.0.113.7'], ['2001:DB8::1', '2001:db8::1'], ['fe80::1%eth0', 'fe80::1'], [undefined, null], ['', null]];
  for (const [peer, ip] of cases) assert.equal(from(peer), ip);
});

test('through proxies', () => {
  const cases = [
    ['10.0.0.1', '203.0.113.7', ['private'], '203.0.113.7'],
    ['10.0.0.1', '203.0.113.7:4711', ['10.0.0.0/8'], '203.0.113.7'],
    ['::1', '198.51.100.9, [2001:db8::1]:80', ['loopback'], '2001:db8::1'],
    ['10.0.0.1', 'unknown, 10.0.0.2', ['private'], '10.0.0.2'],
    ['10.0.0.1', 'nonsense', ['private'], '10.0.0.1'],
    ['10.0.0.1', '10.0.0.3, 10.0.0.2', ['private'], '10.0.0.3'],
    ['203.0.113.1', '198.51.100.1', ['private'], '203.0.113.1'],
  ];
  for (const [peer, list, trusted, ip] of cases) assert.equal(from(peer, { 'x-forwarded-for': list }, trusted), ip);
});

// As ANONYMIZE_IP has it in common/sql/FUNCTIONS.md.
test('an address that is cut', () => {
  const cases = [['203.0.113.7', '203.0.113.0'], ['2001:db8:1:2:3:4:5:6', '2001:db8:1::'], ['::1', '::'], ['2001:db8::5', '2001:db8::'], ['a:b::', 'a:b::'], [null, null]];
  for (const [ip, cut] of cases) assert.equal(anonymize(ip), cut);
});
