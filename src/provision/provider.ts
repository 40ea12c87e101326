// The interface of a provider, which creates and destroys VMs; what it is and needs is in definition.ts. A provider knows
//  no rows, operations or pages: it is given names and tokens, reports what happens, and lists what exists.
import type { Failure, Result } from '../result.ts';
import type { Provider as ProviderName } from '../vms/status.ts';

export type ProvisionEvent = {
  readonly level: 'info' | 'warning' | 'error';
  readonly hostname?: string;
  /** One line for the admin. */
  readonly text: string;
};

export type LaunchSpec = {
  /** Stored with every VM, so that `list()` can tell which launch created it. */
  readonly operationId: string;
  /** When the VMs are to shut down; a VM that costs money does it by itself, after a grace period. Null = never. */
  readonly shutdownAt: Date | null;
  readonly vms: readonly {
    readonly hostname: string;
    /** The bearer token of the agent (`API_TOKEN`); stored only on the VM. */
    readonly token: string;
  }[];
};

/** How to connect to a VM over SSH. */
export type SshAccess = {
  readonly address?: string;
  readonly sshUser?: string;
  readonly sshPort?: number;
  /** A line as in known_hosts, without the host: `ssh-ed25519 AAAA…`. */
  readonly sshHostKey?: string;
};

export type CreatedVm = SshAccess & {
  readonly provisioningSeconds: number;
  /** The provider's own id, such as an EC2 instance id. */
  readonly id?: string;
  /** Determines the price, such as `g4dn.xlarge`. */
  readonly instanceType?: string;
};

/** Receives what happens in a run; calls may overlap. VMs that are never reported are found by `list()` afterwards. */
export type ProvisionReport = {
  event(event: ProvisionEvent): void;
  /** The VM exists. */
  created(hostname: string, vm: CreatedVm): Promise<void>;
  /** The VM could not be created, and nothing of it is left. `reason` is a sentence. */
  failed(hostname: string, reason: string): Promise<void>;
  /** The VM was destroyed or did not exist; nothing of it is left. */
  gone(hostname: string): Promise<void>;
  /** The VM could not be destroyed, and still exists. `reason` is a sentence. */
  kept(hostname: string, reason: string): Promise<void>;
};

type ProvisionFailureCode =
  'busy' | 'quota' | 'capacity' | 'credentials' | 'cancelled' | 'timeout' | 'program' | 'engine';

export type ProvisionFailure = Failure<ProvisionFailureCode>;

/** Ok if everything that was asked for was done. VMs created before a failure stay, and are reported as created. */
export type ProvisionResult = Result<undefined, ProvisionFailure>;

/** What the next VMs would be; null means unknown. */
export type VmPlan = {
  readonly machineType: string;
  readonly pricePerHourUsd: number | null;
  /** `2026-01-31` */
  readonly pricedAt: string;
  readonly neededVcpusPerVm: number | null;
  readonly quotaVcpus: number | null;
  readonly usedVcpus: number | null;
};

/** A VM that exists, whether or not it has a row. */
export type ListedVm = {
  readonly hostname: string;
  /** The provider's own id, such as an EC2 instance id. After a crash, two VMs can have the same hostname. */
  readonly id?: string;
  /** The launch that created it; null if unknown. */
  readonly operationId: string | null;
  readonly instanceType?: string;
  readonly createdAt?: Date;
  /** Its current address, if known; rows are updated with it. */
  readonly ssh?: SshAccess;
  /** It has the deployment's name, but another uid: another allocator's, or of one that was lost. Missing = ours. */
  readonly isForeign?: boolean;
};

/** `error` is a sentence; null = the VM has accepted the new time. */
export type RescheduledVm = { readonly hostname: string; readonly error: string | null };

export type Provider = OpenProvider & {
  /** That of its definition. */
  readonly name: ProviderName;
};

/**
 * What the code of a provider returns when it is opened. A run is cancelled in two steps. `signal` asks: finish or undo what is
 * half done, start nothing new, return `cancelled`. `force` ends it: kill what still runs and return at once. A provider that is
 * quick may ignore `force`.
 */
export type OpenProvider = {
  /** Can it launch right now? Called before a launch is accepted and by pages: quick, without side effects. */
  readiness(): Promise<ProvisionResult>;
  /** Where VMs are created, if prices depend on it. */
  readonly region?: string | undefined;
  /** How long after `shutdownAt` a VM shuts itself down. Absent if VMs do not shut themselves down. */
  readonly graceMinutes?: number;
  /**
   * What the next VMs would cost and how many are possible. When the signal is aborted it returns what it knows by then,
   * or null. Absent if VMs cost nothing.
   */
  readonly plan?: (signal: AbortSignal) => Promise<VmPlan | null>;
  /**
   * Finds out why a launch would fail, before it is accepted: cheap checks without side effects. A check that cannot be
   * made must not refuse the launch. Absent if there is nothing to check.
   */
  readonly preflight?: (wanted: {
    readonly numVms: number;
    readonly signal: AbortSignal;
  }) => Promise<ProvisionResult>;
  /** Creates these VMs. If a hostname exists already, that VM is reported as created, and no second one is made. */
  launch(
    spec: LaunchSpec,
    report: ProvisionReport,
    signal: AbortSignal,
    force: AbortSignal,
  ): Promise<ProvisionResult>;
  /** Destroys these VMs, or all VMs of this deployment. A hostname that does not exist is `gone`. */
  destroy(
    hostnames: readonly string[] | 'all',
    report: ProvisionReport,
    signal: AbortSignal,
    force: AbortSignal,
  ): Promise<ProvisionResult>;
  /** What exists in reality, without reading rows. Half-created VMs are included. */
  list(): Promise<readonly ListedVm[]>;
  /** VMs with the deployment's name but another uid. Absent if there can be none. */
  readonly listForeign?: () => Promise<readonly ListedVm[]>;
  /** Makes one of these VMs ours, so that it is listed and destroyed like the others. */
  readonly adopt?: (id: string, signal: AbortSignal) => Promise<ProvisionResult>;
  /** How long a new VM of another process may be missing from the list. Absent = not at all. */
  readonly listDelayMs?: number;
  /**
   * After an interruption, before `list()` is relied on: finishes or destroys what the interrupted run left half done, and
   * reports what it destroyed as `gone`. Absent if `list()` alone is enough.
   */
  readonly repair?: (report: ProvisionReport, signal: AbortSignal) => Promise<ProvisionResult>;
  /** Restarts one VM and keeps its disk. Absent if the provider cannot. */
  readonly restart?: (hostname: string, signal: AbortSignal) => Promise<ProvisionResult>;
  /** Changes the time at which these VMs shut themselves down. Absent if they do not shut themselves down. */
  readonly rescheduleShutdown?: (
    hostnames: readonly string[],
    shutdownAt: Date,
    signal: AbortSignal,
  ) => Promise<readonly RescheduledVm[]>;
  /** Terminates VMs by the provider's own ids: those without a row. Absent if the provider has no ids. */
  readonly terminate?: (ids: readonly string[], signal: AbortSignal) => Promise<ProvisionResult>;
  /** Called at server start, before any run: brings back the VMs of this server. */
  start(): Promise<void>;
  /** Called at server stop, after the last run: stops or leaves the VMs, and releases everything. */
  stop(): Promise<void>;
};
