// Runs the Automation API once, in a child process. A recorder between the API and the engine writes down every CLI call,
// as it did when the real engine was recorded.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { TestCloud } from '../support/cloud.ts';
import { testEngine } from '../support/engine.ts';
import type { CliRun } from './record-cli.ts';

export type DriveTask = {
  readonly action: 'up' | 'destroy' | 'refresh' | 'cancel' | 'export';
  readonly clearPendingCreates?: boolean;
  readonly program: {
    readonly machines: readonly {
      readonly name: string;
      readonly tags?: Readonly<Record<string, string>>;
      readonly ignoreChanges?: string[];
      /** Passed to the engine as a secret. */
      readonly userData?: string;
    }[];
    /** The name of a security group that all machines belong to. */
    readonly group?: string;
    readonly secrets?: Readonly<Record<string, string>>;
    /** A machine with an address of its own, which is deleted and created again when its user data changes. */
    readonly replaced?: { readonly name: string; readonly userData: string };
    readonly throws?: string;
  };
  readonly pulumiRoot: string;
  readonly pulumiHome: string;
  readonly backendUrl: string;
  readonly env: Record<string, string>;
};

export type Event = Readonly<Record<string, unknown>>;
type DriveDone = {
  readonly outputs?: Readonly<Record<string, { readonly value: unknown; readonly secret: boolean }>>;
  readonly summary?: Readonly<Record<string, unknown>>;
  readonly exported?: unknown;
};
export type DriveMessage =
  | { readonly event: Event }
  | { readonly done: DriveDone }
  | { readonly failed: { readonly name: string; readonly message: string } };

type Drive = {
  /** The events received so far. */
  readonly events: readonly Event[];
  /** Aborts the run, as its AbortSignal does. */
  abort(): void;
  /** The process id of the engine that is running, in a recorded lab. */
  enginePid(): number;
  /** Waits for an event. */
  sees(what: string, test: (event: Event) => boolean): Promise<void>;
  /** The process in which the Automation API runs. */
  readonly child: ChildProcess;
  readonly ended: Promise<DriveResult>;
};

export type DriveResult = {
  readonly events: readonly Event[];
  readonly cli: readonly CliRun[];
  readonly done: DriveDone | null;
  readonly failed: { readonly name: string; readonly message: string } | null;
};

type StateFile = {
  readonly resources: readonly { readonly urn: string; readonly pendingReplacement?: boolean }[];
  readonly pending_operations: readonly {
    readonly type: string;
    readonly resource: { readonly urn: string };
  }[];
};

/** The folders of one test stack: its state, its Pulumi home, the recorder. */
export type Lab = AsyncDisposable & {
  readonly state: string;
  readonly recorder: string;
  drive(
    action: DriveTask['action'],
    names: readonly string[] | DriveTask['program'],
    options?: { env?: Record<string, string>; clearPendingCreates?: boolean; backendUrl?: string },
  ): Promise<Drive>;
  /** Starts a run and waits until it has ended. */
  run(...args: Parameters<Lab['drive']>): Promise<DriveResult>;
  /** The state file of the stack, as it is on disk. */
  stateFile(): StateFile;
  /** The lock files, without the attributes that the engine stores beside each file. */
  locks(): Promise<string[]>;
};

const WAIT_MS = 60_000;

/** @param isRecorded whether the calls of the CLI are written down: each then starts two programs */
export async function createLab(cloud: TestCloud, { isRecorded = true } = {}): Promise<Lab> {
  const folder = await mkdtemp(join(tmpdir(), 'lablink-engine-'));
  const engine = testEngine();
  const recorder = await createRecorder(folder);
  const pulumiRoot = isRecorded ? recorder : engine.pulumiRoot;
  const state = join(folder, 'state');
  const pulumiHome = join(folder, 'home');
  for (const each of [state, pulumiHome]) await mkdir(each);
  let runs = 0;

  const drive: Lab['drive'] = async (action, wanted, options = {}) => {
    const { env = {}, clearPendingCreates = false, backendUrl = `file://${state}` } = options;
    const record = join(folder, `run-${(runs += 1)}`);
    await mkdir(record);
    const program = Array.isArray(wanted)
      ? { machines: (wanted as readonly string[]).map((name) => ({ name })) }
      : (wanted as DriveTask['program']);
    return startDrive(record, {
      ...{ action, program, pulumiHome, backendUrl, clearPendingCreates, pulumiRoot },
      env: {
        ...cloud.env,
        ...engine.env,
        PULUMI_CONFIG_PASSPHRASE: 'x',
        LABLINK_RECORD: record,
        LABLINK_RECORDED: join(engine.pulumiRoot, 'bin', 'pulumi'),
        ...env,
      },
    });
  };
  return {
    state,
    recorder,
    drive,
    run: async (...args) => (await drive(...args)).ended,
    stateFile: () => {
      const text = readFileSync(join(state, '.pulumi/stacks/lablink/dev.json'), 'utf8');
      // Empty lists may be left out.
      const { checkpoint } = JSON.parse(text) as { checkpoint: { latest: Partial<StateFile> } };
      return { resources: [], pending_operations: [], ...checkpoint.latest };
    },
    locks: async () => {
      const locks = join(state, '.pulumi/locks/organization/lablink/dev');
      if (!existsSync(locks)) return [];
      return (await readdir(locks)).filter((name) => !name.endsWith('.attrs'));
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }),
  };
}

/** Creates a folder with a `bin/pulumi` that runs the engine and records its arguments and its output. */
async function createRecorder(folder: string): Promise<string> {
  const root = join(folder, 'recorder');
  const program = join(import.meta.dirname, 'record-cli.ts');
  await mkdir(join(root, 'bin'), { recursive: true });
  const script = join(root, 'bin', 'pulumi');
  await writeFile(script, `#!/bin/bash\nexec "${process.execPath}" "${program}" "$@"\n`);
  await chmod(script, 0o755);
  return root;
}

function startDrive(record: string, task: DriveTask): Drive {
  const cache = join(import.meta.dirname, '..', '..', '.cache', 'compiled');
  const child = fork(join(import.meta.dirname, 'drive-child.ts'), [JSON.stringify(task)], {
    // The recorder finds its settings in this environment: the API calls `pulumi version` without the workspace's variables.
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      NODE_COMPILE_CACHE: cache,
      ...recorderEnv(task),
    },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const events: Event[] = [];
  let stderr = '';
  let done: DriveDone | null = null;
  let failed: DriveResult['failed'] = null;
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.on('message', (message: DriveMessage) => {
    if ('event' in message) events.push(message.event);
    else if ('done' in message) done = message.done;
    else failed = message.failed;
  });
  const ended = once(child, 'close').then(async () => {
    if (!done && !failed && child.signalCode === null)
      throw new Error(`the driver ended without a result:\n${stderr}`);
    return { events, cli: await readRecord(record), done, failed };
  });
  return {
    events,
    child,
    ended,
    abort: () => child.send('abort'),
    enginePid: () => Number(readFileSync(join(record, 'pid'), 'utf8')),
    sees: async (what, test) => {
      await expect
        .poll(() => events.some(test), { timeout: WAIT_MS, message: `the engine sends: ${what}` })
        .toBe(true);
    },
  };
}

function recorderEnv({ env }: DriveTask): Record<string, string> {
  const names = ['LABLINK_RECORD', 'LABLINK_RECORDED'];
  return Object.fromEntries(names.map((name) => [name, env[name] ?? '']));
}

async function readRecord(record: string): Promise<CliRun[]> {
  const names = (await readdir(record)).filter((name) => name.endsWith('.json')).sort();
  return Promise.all(
    names.map(async (name) => JSON.parse(await readFile(join(record, name), 'utf8')) as CliRun),
  );
}
