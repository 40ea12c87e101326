// An agent in this process, with folders of its own, short intervals and a stand-in for start-host.
import { randomUUID } from 'node:crypto';
import { appendFile, chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { defaultIntervals, type AgentDependencies, type AgentOptions } from '../../src/agent/options.ts';
import { listProcesses } from '../../src/agent/processes.ts';
import { runProgram } from '../../src/agent/program.ts';
import { runAgent } from '../../src/agent/run.ts';

/** Waits for a condition as long as a busy machine may need. */
export const eventually = <T>(condition: () => Promise<T> | T): Promise<T> =>
  vi.waitFor(condition, { timeout: 15_000, interval: 20 });

export const quick: AgentOptions['intervals'] = {
  ...defaultIntervals,
  heartbeatMs: 50,
  readinessMs: 30,
  gpuMs: 50,
  inUseMs: 30,
  logsMs: 10,
  partialLineMs: 300,
  timingsMs: 50,
  backoffFirstMs: 20,
  backoffMaxMs: 100,
  refusedMs: 100,
  startHostMs: 5_000,
  stopGraceMs: 3_000,
  recycleRetryMs: 50,
};

/** Records its arguments and input; waits while there is a file `wait`; ends with the number in the file `exit`. */
const STAND_IN = `#!/bin/sh
here=\${0%/*}
given="$here/run-$$"
for argument in "$@"; do printf '%s\\n' "$argument" >> "$given.args"; done
cat > "$given.stdin"
env > "$given.env"
echo "$$" >> "$here/runs"
while [ -e "$here/wait" ]; do sleep 0.02; done
if [ -e "$here/say" ]; then cat "$here/say" >&2; fi
if [ -e "$here/exit" ]; then exit "$(cat "$here/exit")"; fi
`;

type StartHostRun = { readonly args: string[]; readonly stdin: string; readonly env: string[] };

export type Machine = AsyncDisposable & {
  readonly home: string;
  readonly folder: string;
  readonly logFile: string;
  readonly startHost: string;
  /** Creates or removes a control file of the stand-in: `wait`, `say`, `exit`. */
  set(name: 'wait' | 'say' | 'exit', content: string | null): Promise<void>;
  runs(): Promise<StartHostRun[]>;
  log(...lines: string[]): Promise<void>;
  /** Starts the machine's agent. */
  start(url: string, overrides?: Overrides): RunningAgent;
};

type Overrides = Partial<Omit<AgentOptions, 'dependencies'>> & {
  readonly dependencies?: Partial<AgentDependencies>;
};
export type AgentExit = Awaited<ReturnType<typeof runAgent>>;
/** How an agent that was stopped ends. */
export const stopped: AgentExit = { ok: true, value: undefined };

type RunningAgent = AsyncDisposable & {
  readonly exit: Promise<AgentExit>;
  /** The lines that it logged. */
  readonly logged: readonly string[];
  stop(): Promise<AgentExit>;
  force(): void;
};

export async function createMachine(hostname = 'lablink-vm-test-1'): Promise<Machine> {
  const home = await mkdtemp(join(tmpdir(), 'lablink-agent-'));
  const crd = join(home, 'crd');
  const folder = join(home, 'Desktop');
  const startHost = join(crd, 'start-host');
  const logFile = join(home, 'machine.log');
  await mkdir(crd);
  await mkdir(folder);
  await writeFile(startHost, STAND_IN);
  await chmod(startHost, 0o755);
  const running = new Set<RunningAgent>();
  return {
    home,
    folder,
    logFile,
    startHost,
    async set(name, content) {
      if (content === null) await rm(join(crd, name), { force: true });
      else await writeFile(join(crd, name), content);
    },
    runs: () => readRuns(crd),
    log: (...lines) => appendFile(logFile, lines.map((line) => `${line}\n`).join('')),
    start(url, overrides = {}) {
      const agent = startAgent({ url, hostname, home, folder, startHost, logFile }, overrides);
      running.add(agent);
      return agent;
    },
    async [Symbol.asyncDispose]() {
      for (const agent of running) {
        agent.force();
        await agent.exit;
      }
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function readRuns(crd: string): Promise<StartHostRun[]> {
  const runs = await readFile(join(crd, 'runs'), 'utf8').catch(() => '');
  const lines = async (file: string) => (await readFile(file, 'utf8')).split('\n').slice(0, -1);
  return Promise.all(
    runs
      .split('\n')
      .slice(0, -1)
      .map(async (pid) => ({
        args: await lines(join(crd, `run-${pid}.args`)),
        stdin: await readFile(join(crd, `run-${pid}.stdin`), 'utf8'),
        env: await lines(join(crd, `run-${pid}.env`)),
      })),
  );
}

type MachineFiles = {
  readonly url: string;
  readonly hostname: string;
  readonly home: string;
  readonly folder: string;
  readonly startHost: string;
  readonly logFile: string;
};

function startAgent(files: MachineFiles, { dependencies, ...overrides }: Overrides): RunningAgent {
  const stop = new AbortController();
  const force = new AbortController();
  const logged: string[] = [];
  const write = (level: string) => (message: string) => void logged.push(`${level} ${message}`);
  const log = { info: write('info'), warn: write('warn'), error: write('error') };
  const exit = runAgent({
    allocatorUrl: files.url,
    hostname: files.hostname,
    token: null,
    software: null,
    startHost: [files.startHost],
    container: null,
    folder: files.folder,
    logFiles: [files.logFile],
    stateFolder: join(files.home, 'state'),
    bootId: randomUUID(),
    timings: () => Promise.resolve(null),
    childEnvironment: { PATH: process.env['PATH'] },
    intervals: quick,
    signal: stop.signal,
    forceSignal: force.signal,
    ...overrides,
    dependencies: {
      fetch: (request) => fetch(request),
      listProcesses: () => listProcesses(),
      runProgram,
      log,
      ...dependencies,
    },
  });
  return {
    exit,
    logged,
    stop: () => {
      stop.abort();
      return exit;
    },
    force: () => force.abort(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await exit;
    },
  };
}
