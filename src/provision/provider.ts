// What makes and ends machines: the one small interface that `local`, `external` and `aws` fill. A provider knows
// nothing of rows, operations or pages: it is told names and tokens, tells what happens, and answers what exists.

export type ProvisionEvent = {
  readonly level: 'info' | 'warning' | 'error';
  readonly hostname?: string;
  /** One line for the admin. */
  readonly text: string;
};

export type LaunchSpec = {
  /** Kept with every machine, so that `list()` can tell which launch made it. */
  readonly operationId: string;
  /** When the fleet is to be over: a machine that bills ends itself then, plus the grace. Null = no end. */
  readonly endsAt: Date | null;
  readonly machines: readonly {
    readonly hostname: string;
    /** What the machine's agent sends as its bearer token (`API_TOKEN`); kept by the machine alone. */
    readonly token: string;
  }[];
};

/** How SSH reaches a machine. */
export type MachineReach = {
  readonly address?: string;
  readonly sshUser?: string;
  readonly sshPort?: number;
  /** A line as in known_hosts, without the host: `ssh-ed25519 AAAA…`. */
  readonly sshHostKey?: string;
};

export type MachineFacts = MachineReach & {
  readonly provisioningSeconds: number;
  /** What the provider itself calls it, such as an EC2 instance id. */
  readonly id?: string;
  /** What it costs is known by this, such as `g4dn.xlarge`. */
  readonly instanceType?: string;
};

/** Where a run tells what happens; calls may overlap. Machines in no report are asked for by `list()` at the end. */
export type ProvisionReport = {
  event(event: ProvisionEvent): void;
  /** The machine exists. */
  made(hostname: string, facts: MachineFacts): Promise<void>;
  /** The machine could not be made; nothing of it is left. `reason` is a sentence. */
  failed(hostname: string, reason: string): Promise<void>;
  /** The machine was ended, or was not there; nothing of it is left. */
  gone(hostname: string): Promise<void>;
};

export type ProvisionFailure =
  'busy' | 'quota' | 'capacity' | 'credentials' | 'cancelled' | 'timeout' | 'program' | 'engine';

/** `ok` where all that was asked for was done. What was made before a failure stays, and is reported as made. */
export type ProvisionResult =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly kind: ProvisionFailure;
      /** A sentence for people. */
      readonly problem: string;
      /** What to do about it. */
      readonly remedy: string;
    };

export type Readiness =
  { readonly ok: true } | { readonly ok: false; readonly problem: string; readonly remedy: string };

/** What the next machines would be; null is unknown. */
export type MachinePlan = {
  readonly machineType: string;
  readonly pricePerHourUsd: number | null;
  /** `2026-01-31` */
  readonly pricedAt: string;
  readonly neededVcpusPerVm: number | null;
  readonly quotaVcpus: number | null;
  readonly usedVcpus: number | null;
};

/** A machine that exists, whether our rows know it or not. */
export type ListedMachine = {
  readonly hostname: string;
  /** What the provider itself calls it, such as an EC2 instance id; one hostname can have two after a bad day. */
  readonly id?: string;
  /** The launch that made it; null where that is not known. */
  readonly operationId: string | null;
  readonly instanceType?: string;
  /** When it was made, as the provider says. */
  readonly madeAt?: Date;
  /** Where it is reached now, if it is known: rows are brought up to date with it at start. */
  readonly reach?: MachineReach;
};

/**
 * How a run is cancelled, in two steps: `signal` asks (finish or undo what is half done, begin nothing new, return
 * `cancelled`), `force` ends it (kill what is left and return at once). A provider that is quick may ignore `force`.
 */
export type Provider = {
  readonly name: 'aws' | 'local' | 'external';
  /** Can it launch right now? Asked before a launch is accepted, and by pages: quick, no side effect. */
  readiness(): Promise<Readiness>;
  /** Where machines are made, where prices depend on it. */
  readonly region?: string | undefined;
  /** So long after its end a machine ends itself. Absent where machines do not end by themselves. */
  readonly graceMinutes?: number;
  /**
   * What the next machines would cost and how many are possible, for a page that waits: when the signal is aborted it is
   * answered with what is known by then. Null where that is nothing. Absent where machines cost nothing.
   */
  readonly plan?: (signal: AbortSignal) => Promise<MachinePlan | null>;
  /**
   * What a launch would run into, asked before it is accepted: cheap checks, nothing is made. One that cannot be made
   * is no reason to refuse. Absent where there is nothing to check.
   */
  readonly preflight?: (wanted: {
    readonly numVms: number;
    readonly signal: AbortSignal;
  }) => Promise<Readiness>;
  /** Makes these machines. A hostname that exists already is the same machine: reported as made, not made twice. */
  launch(
    spec: LaunchSpec,
    report: ProvisionReport,
    signal: AbortSignal,
    force: AbortSignal,
  ): Promise<ProvisionResult>;
  /** Ends these machines, or all that are ours. A hostname that does not exist is `gone`. */
  destroy(
    hostnames: readonly string[] | 'all',
    report: ProvisionReport,
    signal: AbortSignal,
    force: AbortSignal,
  ): Promise<ProvisionResult>;
  /** What exists: asked of the world, not of our rows. Half-made machines count. */
  list(): Promise<readonly ListedMachine[]>;
  /**
   * After an interruption, before anything is judged by `list()`: what an interrupted run left unfinished is finished or
   * ended, and reported as `gone`. Absent where a listing alone tells all.
   */
  readonly mend?: (report: ProvisionReport, signal: AbortSignal) => Promise<ProvisionResult>;
  /** Restarts one machine and keeps its disk. Absent where the provider cannot. */
  readonly restart?: (hostname: string, signal: AbortSignal) => Promise<ProvisionResult>;
  /** Moves the time at which these machines end themselves. Absent where machines do not end by themselves. */
  readonly rearm?: (
    hostnames: readonly string[],
    endsAt: Date,
    signal: AbortSignal,
  ) => Promise<readonly { readonly hostname: string; readonly problem: string | null }[]>;
  /** Ends machines by the provider's own ids, for those that no row and no state knows. Absent where there are none. */
  readonly terminate?: (ids: readonly string[], signal: AbortSignal) => Promise<ProvisionResult>;
  /** With the server, before any run: bring back what is ours. */
  start(): Promise<void>;
  /** With the server, after the last run: end or leave machines, as is the provider's way; release everything. */
  stop(): Promise<void>;
};
