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
    readonly job: { readonly port: number; readonly people: number; readonly overMs: number };
    readonly result: {
      /** Until the page was there, for everybody. */
      readonly pageMs: readonly number[];
      /** Until the poll of the assigned VM was answered. */
      readonly toldMs: readonly number[];
      /** The VMs on the pages. */
      readonly hostnames: readonly string[];
    };
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
