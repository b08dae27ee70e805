import type { IncomingMessage, ServerResponse } from 'node:http';

declare namespace tally {
  interface Kafka {
    brokers: string[];
    /** 'events' unless set. */
    topic?: string;
    clientId?: string;
    /** As kafkajs takes them. */
    ssl?: unknown;
    sasl?: unknown;
  }

  interface Options {
    /** The collector of `tally intercept`: 'http://127.0.0.1:8080/tally/collect'. TALLY_COLLECT unless set. */
    collect?: string;
    /** What the collector knows this site by. TALLY_TOKEN unless set. */
    token?: string;
    /** Straight to Kafka, in place of a collector; needs kafkajs, uap-core and js-yaml. */
    kafka?: Kafka;
    /** Proxies in front of the site, whose X-Forwarded-For counts: '10.0.0.0/8', 'loopback', 'private'. */
    trustProxy?: string[];
    /** Headers that are '[redacted]', beside Authorization, Cookie, Set-Cookie and Proxy-Authorization. */
    redactHeaders?: string[];
    /** Query parameters whose values are '[redacted]', beside token, password and the like. */
    maskParams?: string[];
    /** Paths that are not logged: '/health', '/admin/*'. */
    exclude?: string[];
    /** What counts as a file, and is not logged: ['css', 'js', ...]; [] logs all. */
    fileExtensions?: string[];
    /** Requests that are not logged. */
    skip?: (req: IncomingMessage) => boolean;
    /** Addresses without their last byte (IPv6: the first 48 bits). */
    anonymizeIp?: boolean;
    /** Requests with DNT: 1 or Sec-GPC: 1 are not logged. */
    honorDnt?: boolean;
    /** Requests to localhost and 127.0.0.1 are logged too. */
    logLocalhost?: boolean;
    /** How many events wait at most while the log is away (10,000), and how much memory they take (16 MiB). Then they are dropped, and counted. */
    maxEvents?: number;
    maxBytes?: number;
    /** How long an event waits for the answer's head (2000); then it leaves without status, duration and bytes. */
    answerMs?: number;
    /** How long the end of the process waits for the log (3000). */
    closeMs?: number;
    /** Sends what is queued at SIGTERM and SIGINT (true). */
    signals?: boolean;
    /** Where a line goes when something is wrong (console.warn). */
    log?: (line: string) => void;
  }

  /** received = delivered + rejected + dropped + queued. */
  interface Counts {
    received: number;
    delivered: number;
    rejected: number;
    dropped: number;
    queued: number;
  }

  interface Handle {
    counts(): Counts;
    /** Sends what is queued now; ends when the queue is empty. */
    flush(): Promise<void>;
    /** Sends what is queued, for up to closeMs; nothing is logged after it. */
    close(): Promise<void>;
  }

  function make(options?: Options): Middleware;

  interface Middleware extends Handle {
    (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void): void;
  }
}

declare function tally(options?: tally.Options): tally.Middleware;
declare namespace tally {
  export { make as tally, make as default };
}
export = tally;
