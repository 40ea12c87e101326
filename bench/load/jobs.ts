// The jobs of the load generator: the messages between it and the measurements.

export type Jobs = {
  /** Sends the form once for each participant, over keep-alive connections that are all busy until the end. */
  requestAtOnce: {
    readonly job: {
      readonly port: number;
      readonly connections: number;
      readonly requests: number;
      /** The start of the e-mail addresses; different for each job. */
      readonly prefix: string;
      readonly accept: 'text/html' | 'application/json';
    };
    readonly result: { readonly seconds: number };
  };
  /** Starts a poll for each VM; ends when every poll has been sent. */
  wait: {
    readonly job: { readonly port: number; readonly hostnames: readonly string[] };
    readonly result: { readonly polls: number };
  };
  /** Sends the form at a steady rate while VMs wait: milliseconds until the poll, and until the form, is answered. */
  requestPaced: {
    readonly job: { readonly port: number; readonly requests: number; readonly perSecond: number };
    readonly result: { readonly deliveryMs: readonly number[]; readonly answeredMs: readonly number[] };
  };
  /** Everybody sends the form within `overMs`, each over a new connection, while VMs wait. */
  rush: {
    readonly job: {
      readonly port: number;
      readonly people: number;
      readonly overMs: number;
      /** The start of the e-mail addresses. */
      readonly prefix: string;
    };
    readonly result: {
      /** Until the page was there, for everybody. */
      readonly pageMs: readonly number[];
      /** Until the poll of the assigned VM was answered. */
      readonly toldMs: readonly number[];
      /** The VMs on the pages. */
      readonly hostnames: readonly string[];
      /** Forms that were answered 503, and sent again. */
      readonly refused: number;
    };
  };
  /** Every VM sends heartbeats and batches of logs at its intervals, spread evenly: milliseconds until each is answered. */
  report: {
    readonly job: {
      readonly port: number;
      readonly hostnames: readonly string[];
      readonly heartbeatEveryMs: number;
      readonly logEveryMs: number;
      readonly forMs: number;
    };
    readonly result: {
      readonly heartbeatMs: readonly number[];
      readonly logMs: readonly number[];
      /** Reports that were answered 503. */
      readonly refused: number;
    };
  };
  /** Asks for each of these paths in turn, at this interval: milliseconds until each is answered. */
  watch: {
    readonly job: {
      readonly port: number;
      readonly paths: readonly string[];
      readonly everyMs: number;
      readonly forMs: number;
    };
    readonly result: { readonly byPath: Readonly<Record<string, readonly number[]>> };
  };
  /** Closes the connections of all polls. */
  disconnect: { readonly job: object; readonly result: object };
  /** Sends one batch of log lines after another: milliseconds for each. */
  push: {
    readonly job: {
      readonly port: number;
      /** The VM of each batch, in order. */
      readonly hostnames: readonly string[];
      readonly linesPerBatch: number;
    };
    readonly result: { readonly batchMs: readonly number[] };
  };
  /** Sends log lines of one machine at a steady rate; each line contains the time at which it was sent. */
  stream: {
    readonly job: {
      readonly port: number;
      readonly hostname: string;
      readonly linesPerSecond: number;
      readonly seconds: number;
    };
    readonly result: { readonly lines: number; readonly seconds: number };
  };
};

export type JobKind = keyof Jobs;
export type JobMessage = {
  readonly [K in JobKind]: { readonly kind: K; readonly job: Jobs[K]['job'] };
}[JobKind];
export type ResultMessage =
  | { readonly ok: true; readonly result: Jobs[JobKind]['result'] }
  | { readonly ok: false; readonly error: string };
