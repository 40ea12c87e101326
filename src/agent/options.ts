// The options of an agent. main.ts makes them from the environment; local VMs and tests make their own.
import type { Schemas } from '../client/client.ts';
import type { RunningProcess } from './processes.ts';
import type { ProgramEnd, ProgramSpec } from './program.ts';

export type AgentContainer = {
  /** As Docker knows it. */
  readonly name: string;
  /** The user of the desktop in the container. */
  readonly user: string;
};

export type AgentOptions = {
  /** Where the allocator is, like `https://lab.example.org`. */
  readonly allocatorUrl: string;
  /** This machine's name, as the allocator knows it. */
  readonly hostname: string;
  /** This machine's token; null if the allocator needs none. */
  readonly token: string | null;
  /** The machine is in use while a process has this in its command line; null: not reported. */
  readonly software: string | null;
  /** The program that registers the machine with Chrome Remote Desktop, and the arguments before ours. */
  readonly startHost: readonly [program: string, ...firstArguments: string[]];
  /** The container of start-host and the folder, if there is one; `startHost` runs there already. */
  readonly container: AgentContainer | null;
  /** The participant's folder: its free disk is reported, and it is emptied when the machine is reset. */
  readonly folder: string;
  /** Log files to ship; they may not exist yet. */
  readonly logFiles: readonly string[];
  /** The agent's own folder, for what it must know after a restart. Created if it is missing. */
  readonly stateFolder: string;
  /** Changes at every boot of this machine: letters, digits, dot, dash, underscore; 64 at most. */
  readonly bootId: string;
  /** Start-up timings; null: not known yet. */
  readonly timings: () => Promise<Schemas['MetricsReport'] | null>;
  /** The environment of the programs that the agent starts, without the token. */
  readonly childEnvironment: Readonly<Record<string, string | undefined>>;
  readonly intervals: AgentIntervals;
  readonly dependencies: AgentDependencies;
  /** Aborted: stop; a running start-host may finish within `intervals.stopGraceMs`. */
  readonly signal: AbortSignal;
  /** Aborted: stop at once; a running start-host is killed. */
  readonly forceSignal: AbortSignal;
};

/** What the agent uses of its process; tests and local VMs have others. */
export type AgentDependencies = {
  readonly fetch: (request: Request) => Promise<Response>;
  /** Null if processes cannot be listed. */
  readonly listProcesses: () => Promise<readonly RunningProcess[] | null>;
  /** Runs start-host and nvidia-smi. */
  readonly runProgram: (spec: ProgramSpec) => Promise<ProgramEnd>;
  readonly log: AgentLog;
};

export type AgentLog = {
  readonly info: (message: string) => void;
  readonly warn: (message: string) => void;
  readonly error: (message: string) => void;
};

export type AgentIntervals = {
  readonly heartbeatMs: number;
  /** How often the agent checks that start-host can be run. */
  readonly readinessMs: number;
  readonly gpuMs: number;
  readonly inUseMs: number;
  /** How often log files are read while nothing new comes. */
  readonly logsMs: number;
  /** A line without its end is shipped after this. */
  readonly partialLineMs: number;
  readonly timingsMs: number;
  /** A poll is dead when nothing came for this long, not even a keep-alive space. */
  readonly pollIdleMs: number;
  /** For the answer to any other request. */
  readonly requestMs: number;
  /** The first delay of a back-off is at most this; it doubles up to `backoffMaxMs`. */
  readonly backoffFirstMs: number;
  readonly backoffMaxMs: number;
  /** Between attempts while the allocator refuses the token. */
  readonly refusedMs: number;
  /** start-host is killed when it runs longer. */
  readonly startHostMs: number;
  /** For a running start-host and a last report, when the agent stops. */
  readonly stopGraceMs: number;
  /** Between attempts to empty a folder that could not be emptied. */
  readonly recycleRetryMs: number;
};

export const defaultIntervals: AgentIntervals = {
  heartbeatMs: 20_000,
  readinessMs: 5_000,
  gpuMs: 20_000,
  inUseMs: 10_000,
  logsMs: 1_000,
  partialLineMs: 5_000,
  timingsMs: 10_000,
  pollIdleMs: 90_000,
  requestMs: 30_000,
  backoffFirstMs: 1_000,
  backoffMaxMs: 15_000,
  refusedMs: 60_000,
  startHostMs: 120_000,
  stopGraceMs: 10_000,
  recycleRetryMs: 60_000,
};
