// What the load generator can be asked to do, and what it answers: the messages between it and the measurements.

export type Jobs = {
  /** People who ask, each once, over kept-alive connections that are all busy all the time. */
  ask: {
    readonly job: {
      readonly port: number;
      readonly connections: number;
      readonly people: number;
      /** Nobody else's e-mails begin so. */
      readonly prefix: string;
      readonly accept: 'text/html' | 'application/json';
    };
    readonly result: { readonly seconds: number };
  };
  /** VMs that poll, from now on; answers when every poll has been sent. */
  wait: {
    readonly job: { readonly port: number; readonly hostnames: readonly string[] };
    readonly result: { readonly polls: number };
  };
  /** People who ask one after another while those VMs wait: milliseconds from sending the form to the VM being told. */
  tell: {
    readonly job: { readonly port: number; readonly people: number; readonly perSecond: number };
    readonly result: { readonly toldMs: readonly number[]; readonly answeredMs: readonly number[] };
  };
  /** Hangs all polls up. */
  leave: { readonly job: object; readonly result: object };
  /** One batch of log lines after another: milliseconds that each took. */
  push: {
    readonly job: {
      readonly port: number;
      /** Whose batch each is, in order. */
      readonly hostnames: readonly string[];
      readonly linesPerBatch: number;
    };
    readonly result: { readonly batchMs: readonly number[] };
  };
  /** Lines of one machine at this rate, each with the time at which it was sent. */
  pour: {
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
