// user_agent_worker.js: the thread of user_agents.js: says when it is ready; then one text in, what it is out.
'use strict';

const { parentPort } = require('node:worker_threads');
const { readRules } = require('./user_agent.js');

const parse = readRules();
parentPort.on('message', (text) => parentPort.postMessage(parse(text)));
parentPort.postMessage('ready');
