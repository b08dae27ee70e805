// feed.js: what is new in views, as it happens: over a WebSocket; where that does not come through, as Server-Sent Events; where these do not either, by asking.
// Whoever subscribes is told the same messages each way: snapshot, changes, events, status, resync, error (OPENAPI: /api/v1/live).

const BACK_OFF_MS = { first: 500, most: 30_000 };
const POLL_MS = 5000;
// A browser opens six connections to a host, and the rest of the page needs some.
const STREAMS_MAX = 3;

export class Feed {
  #base; #onState; #onStatus; #subscriptions = new Map(); #next = 1; #socket = null; #failures = 0; #state = 'connecting'; #timer = null;

  /** `onState`: 'connecting', 'live', 'sse', 'polling', 'away'; `onStatus`: a message of that type. */
  constructor(base, { onState, onStatus }) {
    this.#base = base;
    this.#onState = onState;
    this.#onStatus = onStatus;
    addEventListener('online', () => this.#connect());
    this.#connect();
  }

  /** spec: {view, where, from, last}; `order`: the newest rows first, for whoever asks; on(message) until close(). */
  subscribe(spec, order, on) {
    const id = `s${this.#next++}`;
    const subscription = { id, spec, order, on, since: undefined, stop: null };
    this.#subscriptions.set(id, subscription);
    if (this.#state === 'live') this.#send(subscription);
    else if (this.#state !== 'connecting') this.#follow(subscription);
    return { close: () => this.#drop(subscription) };
  }

  #drop(subscription) {
    this.#subscriptions.delete(subscription.id);
    subscription.stop?.();
    if (this.#state === 'live') this.#socket.send(JSON.stringify({ type: 'unsubscribe', id: subscription.id }));
  }

  #is(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.#onState(state);
  }

  #send({ id, spec, since }) {
    this.#socket.send(JSON.stringify({ type: 'subscribe', id, ...spec, since }));
  }

  #take(subscription, message) {
    if (message.type === 'resync') subscription.since = undefined;
    // A change that is already here came twice.
    else if (message.type !== 'snapshot' && message.seq !== undefined && message.seq <= subscription.since) return;
    if (message.seq !== undefined) subscription.since = message.seq;
    subscription.on(message);
    // The store is away, and nothing has been subscribed to.
    if (message.type === 'error' && message.status === 503)
      setTimeout(() => this.#state === 'live' && this.#subscriptions.has(subscription.id) && this.#send(subscription), POLL_MS);
  }

  #connect() {
    clearTimeout(this.#timer);
    if (this.#socket !== null) return;
    const url = new URL('live', this.#base);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#failures = 0;
      for (const subscription of this.#subscriptions.values()) {
        subscription.stop?.();
        subscription.stop = null;
        this.#send(subscription);
      }
      this.#is('live');
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === 'status') this.#onStatus(message);
      const subscription = this.#subscriptions.get(message.id);
      if (subscription) this.#take(subscription, message);
    };
    socket.onclose = () => {
      this.#socket = null;
      this.#failures++;
      if (this.#failures < 2) this.#is('connecting');
      else if (this.#failures === 2) this.#fallBack();
      const wait = Math.min(BACK_OFF_MS.most, BACK_OFF_MS.first * 2 ** (this.#failures - 1));
      // Not all at the same moment, when a server comes back.
      this.#timer = setTimeout(() => this.#connect(), wait * (0.5 + Math.random() / 2));
    };
  }

  #fallBack() {
    this.#is('sse');
    for (const subscription of this.#subscriptions.values()) this.#follow(subscription);
  }

  #query({ view, where = [], from, last }) {
    const query = new URLSearchParams({ view });
    for (const each of where) query.append('where', each);
    if (from) query.set('from', from);
    if (last) query.set('last', last);
    return query;
  }

  #streams() {
    return [...this.#subscriptions.values()].filter(({ stop }) => stop?.isStream).length;
  }

  #follow(subscription) {
    if (this.#streams() >= STREAMS_MAX) return this.#poll(subscription);
    const source = new EventSource(new URL(`live/sse?${this.#query(subscription.spec)}`, this.#base));
    source.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      this.#is('sse');
      if (message.type === 'status') this.#onStatus(message);
      else this.#take(subscription, message);
    };
    // The browser connects again by itself, unless the answer was no.
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) {
        this.#is('away');
        return;
      }
      subscription.stop = null;
      if (this.#state !== 'live' && this.#subscriptions.has(subscription.id)) this.#poll(subscription);
    };
    subscription.stop = () => source.close();
    subscription.stop.isStream = true;
  }

  #poll(subscription) {
    let timer;
    let ended = false;
    const { view, where = [], from, last } = subscription.spec;
    const query = new URLSearchParams({ limit: String(last ?? 10_000) });
    for (const each of where) query.append('where', each);
    if (from) query.set('from', from);
    if (subscription.order) query.set('order', subscription.order);
    const ask = async () => {
      try {
        const response = await fetch(new URL(`views/${encodeURIComponent(view)}?${query}`, this.#base));
        const answer = await response.json();
        if (ended) return;
        if (this.#streams() === 0) this.#is('polling');
        subscription.on(response.ok ? { type: 'snapshot', ...answer } : { type: 'error', ...answer });
      } catch {
        if (!ended && this.#streams() === 0) this.#is('away');
      }
      if (!ended) timer = setTimeout(ask, POLL_MS);
    };
    subscription.stop = () => { ended = true; clearTimeout(timer); };
    ask();
  }
}
