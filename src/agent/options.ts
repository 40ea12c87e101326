// What the agent is given: whom it reports to, what it looks after, how often, and its hold on the world. Everything
// that it touches comes through here, so that one process can run it for one machine, and a test with its own clock.
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import type { Schemas } from '../client/client.ts';

export type AgentContainer = {
  /** As Docker knows it. */
  readonly name: string;
  /** Whose desktop it is, within. */
  readonly user: string;
};

export type AgentOptions = {
  /** Where the allocator is, like `https://lab.example.org`. */
  readonly allocatorUrl: string;
  /** This machine's name, as the allocator knows it. */
  readonly hostname: string;
  /** This machine's token; null where the allocator asks for none. */
  readonly token: string | null;
  /** In use = a process with this in its command line is running; null = in-use is not reported. */
  readonly software: string | null;
  /** The program that registers the machine with Chrome Remote Desktop, and arguments that come before ours. */
  readonly startHost: readonly [program: string, ...firstArguments: string[]];
  /** Where start-host and the folder are, if they are not on this machine itself; `startHost` leads there already. */
  readonly container: AgentContainer | null;
  /** The participant's folder: its free disk is reported, and it is emptied when the machine is recycled. */
  readonly folder: string;
  /** Log files to ship; they may not exist yet. */
  readonly logFiles: readonly string[];
  /** The agent's own folder: what it must remember across restarts. Made where it is missing. */
  readonly stateFolder: string;
  /** Changes at every boot of this machine: letters, digits, dot, dash, underscore; 64 at most. */
  readonly bootId: string;
  /** Start-up timings, once they are known; null = not known (yet). Asked again until they are. */
  readonly timings: () => Promise<Schemas['MetricsReport'] | null>;
  /** What programs started by the agent find in their environment; never the token. */
  readonly childEnvironment: Readonly<Record<string, string | undefined>>;
  readonly intervals: AgentIntervals;
  readonly world: AgentWorld;
  /** Aborted = stop: a running start-host may finish within `intervals.stopGraceMs`. */
  readonly signal: AbortSignal;
  /** Aborted = stop at once: a running start-host is killed. */
  readonly forceSignal: AbortSignal;
};

/** How `runAgent` ends: it was told to stop, or it cannot go on (its state folder is not to be written, say). */
export type AgentExit = { readonly kind: 'stopped' } | { readonly kind: 'fault'; readonly message: string };

/** The world, as far as the agent touches it beside files; `world.ts` has the real one. */
export type AgentWorld = {
  readonly clock: AgentClock;
  readonly fetch: (request: Request) => Promise<Response>;
  readonly spawn: (program: string, args: readonly string[], options: SpawnOptions) => ChildProcess;
  /** Signals a process group. A group that is gone already is no error. */
  readonly killGroup: (leaderPid: number, signal: NodeJS.Signals) => void;
  /** The command lines of all processes; null where they cannot be listed. */
  readonly listProcesses: () => Promise<readonly RunningProcess[] | null>;
  /** As Math.random: 0 ≤ x < 1. */
  readonly random: () => number;
  readonly log: AgentLog;
};

export type AgentClock = {
  /** Milliseconds since 1970-01-01 UTC. */
  readonly now: () => number;
  /** Resolves after `ms`, or as soon as the signal is aborted. Never rejects. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
};

export type RunningProcess = { readonly pid: number; readonly commandLine: readonly string[] };

export type AgentLog = {
  readonly info: (message: string) => void;
  readonly warn: (message: string) => void;
  readonly error: (message: string) => void;
};

export type AgentIntervals = {
  readonly heartbeatMs: number;
  /** How often start-host is looked for before `running` is reported, and afterwards. */
  readonly readinessMs: number;
  readonly gpuMs: number;
  readonly inUseMs: number;
  /** How often log files are looked at while nothing new comes. */
  readonly logsMs: number;
  /** A line that waits for its end this long is shipped as it is. */
  readonly partialLineMs: number;
  readonly timingsMs: number;
  /** A poll on which nothing came for so long, not even a keep-alive space, is dead. */
  readonly pollIdleMs: number;
  /** Every other request must be answered within this. */
  readonly requestMs: number;
  /** The first delay of a back-off is at most this; it doubles up to `backoffMaxMs`. */
  readonly backoffFirstMs: number;
  readonly backoffMaxMs: number;
  /** Between tries while the allocator refuses our token. */
  readonly refusedMs: number;
  /** A start-host that runs longer is killed. */
  readonly startHostMs: number;
  /** How long a running start-host and a last report may take once the agent is told to stop. */
  readonly stopGraceMs: number;
  /** Between tries to empty a folder that could not be emptied. */
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
