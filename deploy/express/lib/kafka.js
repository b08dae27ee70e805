// kafka.js: events straight to Kafka, by kafkajs. The key is the event_id, so that an event that is sent again lands in the partition where it may be
// already, and is told as a duplicate there.
'use strict';

const { UserAgents } = require('./user_agents.js');

function producerOf({ brokers, clientId = 'tally-express', ssl, sasl }) {
  let kafkajs;
  try {
    kafkajs = require('kafkajs');
  } catch {
    throw new Error('tally: kafka: the package kafkajs is not installed; npm install kafkajs uap-core js-yaml');
  }
  const { Kafka, Partitioners, logLevel } = kafkajs;
  const kafka = new Kafka({ brokers, clientId, ssl, sasl, logLevel: logLevel.NOTHING, retry: { retries: 1 } });
  return kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: true });
}

function kafkaSink(options) {
  const producer = producerOf(options);
  const agents = new UserAgents();
  let connected = null;
  producer.on(producer.events.DISCONNECT, () => {
    connected = null;
  });
  return {
    async send(texts) {
      const events = texts.map((text) => JSON.parse(text));
      const parsed = await agents.parse(events.map((event) => event.user_agent));
      const messages = events.map((event, i) => ({ key: event.event_id, value: JSON.stringify({ ...event, user_agent: parsed[i] }) }));
      try {
        connected ??= producer.connect();
        await connected;
        await producer.send({ topic: options.topic ?? 'events', acks: -1, messages });
      } catch (error) {
        connected = null;
        throw new Error(`Kafka at ${options.brokers.join(', ')} does not take events (${error.message})`);
      }
      return { delivered: events.length, rejected: 0 };
    },
    async close() {
      await Promise.allSettled([producer.disconnect(), agents.close()]);
    },
  };
}

module.exports = { kafkaSink };
