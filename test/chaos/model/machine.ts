// A machine of the model. Its agent is the real one where that touches no disk: announcing itself, waiting for assignments,
// running start-host once, acknowledging, and cutting its log into messages. Heartbeat and reset are the model's.
import { Mutex } from 'async-mutex';
import { isAborted } from '../../../src/async/abort.ts';
import { cutMessages, messageLimits } from '../../../src/agent/logs/messages.ts';
import { createErrorLog } from '../../../src/agent/error-log.ts';
import { deliverAssignments } from '../../../src/agent/deliver.ts';
import { defaultIntervals, type AgentOptions } from '../../../src/agent/options.ts';
import { createPresence, type Presence } from '../../../src/agent/presence.ts';
import type { Api, RequestFailure, Send } from '../../../src/agent/requests.ts';
import type { SavedState, StateContent } from '../../../src/agent/state.ts';
import type { LablinkClient, Schemas } from '../../../src/client/client.ts';
import { fail, succeed } from '../../../src/result.ts';
import type { Draw } from '../../support/draw.ts';
import { logLine, type MachineKind, type StartHostRun } from '../host-protocol.ts';
import type { ModelAllocator } from './allocator.ts';
import type { Clock } from './clock.ts';
import { LEFT, type Network } from './network.ts';

export type ModelMachine = {
  readonly hostname: string;
  readonly kind: MachineKind;
  readonly runs: readonly StartHostRun[];
  readonly interruptions: number;
  readonly linesWritten: number;
  readonly writeLog: (lines: number) => void;
  /** `reboot`: the machine was off; otherwise only its agent was. */
  readonly start: (reboot: boolean) => void;
  /** At once: what it was doing is never finished. */
  readonly kill: () => void;
};

type Reply = { readonly status: number; readonly body?: unknown };
type Around = {
  readonly clock: Clock;
  readonly draw: Draw;
  readonly network: Network;
};
const HEARTBEAT_MS = 20_000;
const AGAIN_MS = 1_000;
const LOGS_MS = 2_000;
const never = <T>(): Promise<T> => new Promise<T>(() => undefined);
/** What the agent logs when it has received a command. */
const RECEIVED = /^received command (\d+ of assignment \S+)/;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** What a handler is told; these look at nothing else. */
function input(hostname: string, body: unknown, signal: AbortSignal, id = ''): never {
  const caller = { kind: 'anonymous' };
  return {
    path: { hostname, id },
    query: {},
    body,
    caller,
    address: hostname,
    network: hostname,
    signal,
  } as never;
}

/** Where a request of the agent goes. */
function route(hostname: string, path: string, id: string, body: unknown) {
  return async ({ handlers }: ModelAllocator, signal: AbortSignal): Promise<Reply> => {
    const given = input(hostname, body, signal, id);
    if (path === '/vm_startup') return await handlers.vmStartup(given);
    if (path === '/api/vm-status') return await handlers.updateVmStatus(given);
    return await handlers.postOutcome(given);
  };
}

function failure(status: number | null): RequestFailure {
  const code =
    status === null
      ? 'unreachable'
      : status === 404
        ? 'unknown_vm'
        : status < 500
          ? 'refused'
          : 'unavailable';
  return { code, message: '', remedy: '', status, retryAfterMs: status === 503 ? AGAIN_MS : null };
}

export function createModelMachine(hostname: string, kind: MachineKind, around: Around): ModelMachine {
  const { clock, draw, network } = around;
  const runs: StartHostRun[] = [];
  let content: StateContent = { announcedBootId: null, commands: [], recycled: [] };
  let log = '';
  let shipped = 0;
  let boots = 0;
  let interruptions = 0;
  let linesWritten = 0;
  let power: { isOn: boolean; readonly off: AbortController } | null = null;
  let presence: Presence | null = null;

  function start(reboot: boolean): void {
    if (power) return;
    if (reboot) boots += 1;
    const bootId = `${hostname}-boot-${boots}`;
    const on = { isOn: true, off: new AbortController() };
    power = on;
    const alive = <T>(value: T): Promise<T> => (on.isOn ? Promise.resolve(value) : never<T>());
    const send = (path: string, id: string, body: unknown, signal: AbortSignal = on.off.signal) =>
      network.send(route(hostname, path, id, body), signal);
    if (kind === 'published') void runPublished(bootId, on, (body) => send('/vm_startup', '', body));
    else {
      void runAgent(bootId, alive, send, on.off.signal);
      void beat(bootId, on.off.signal);
      void ship(on.off.signal);
    }
  }

  async function runPublished(
    bootId: string,
    on: { readonly isOn: boolean; readonly off: AbortController },
    poll: (body: unknown) => Promise<Reply>,
  ): Promise<void> {
    while (!isAborted(on.off.signal)) {
      const reported = network.send(
        route(hostname, '/api/vm-status', '', { hostname, status: 'running' }),
        on.off.signal,
      );
      await reported.catch(() => null);
      const answer = await poll({ hostname }).catch(() => null);
      if (isAborted(on.off.signal)) return;
      const given = answer?.status === 200 ? (answer.body as { command: string; pin: string }) : null;
      if (given) runs.push({ bootId, code: codeOf(given.command), pin: given.pin, command: '' });
      await clock.sleep(AGAIN_MS + draw.below(AGAIN_MS)).catch(() => undefined);
    }
  }

  async function runAgent(
    bootId: string,
    alive: <T>(value: T) => Promise<T>,
    send: (path: string, id: string, body: unknown, signal: AbortSignal) => Promise<Reply>,
    stopping: AbortSignal,
  ): Promise<void> {
    let received = '';
    const options: AgentOptions = {
      ...({} as AgentOptions),
      hostname,
      startHost: ['start-host'],
      container: null,
      bootId,
      childEnvironment: {},
      intervals: defaultIntervals,
      forceSignal: stopping,
      dependencies: {
        fetch: never,
        listProcesses: () => Promise.resolve(null),
        log: { ...silent, info: (message) => (received = RECEIVED.exec(message)?.[1] ?? received) },
        runProgram: async ({ args, input: pins }) => {
          const code = args.find((argument) => argument.startsWith('--code='))?.slice('--code='.length) ?? '';
          runs.push({ bootId, code, pin: pins.split('\n')[0] ?? '', command: received });
          await clock.sleep(draw.below(2_000));
          return alive({ kind: 'exited', code: 0, output: '' } as const);
        },
      },
    };
    const api = createApi(send, alive);
    const errors = createErrorLog(silent);
    const state: SavedState = {
      get content() {
        return content;
      },
      change: async (make) => {
        await alive(undefined);
        content = { ...content, ...make(content) };
        await clock.sleep(draw.below(3));
        await alive(undefined);
      },
    };
    const announcing = createPresence({ options, api, errors, state, stopping });
    presence = announcing;
    const context = {
      options,
      api,
      errors,
      state,
      presence: announcing,
      exclusive: new Mutex(),
      stopping,
      closing: stopping,
    };
    await Promise.all([announcing.run(), deliverAssignments(context)]);
  }

  async function beat(bootId: string, off: AbortSignal): Promise<void> {
    while (!isAborted(off)) {
      await clock.sleep(draw.below(HEARTBEAT_MS));
      if (isAborted(off)) return;
      const body = { boot_id: bootId };
      const answer = await network
        .send(
          async ({ handlers }, signal) =>
            (await handlers.postHeartbeat(input(hostname, body, signal))) as Reply,
          off,
        )
        .catch(() => null);
      const {
        action,
        assignment_id: id = null,
        last_status: lastStatus = null,
      } = (answer?.body ?? {}) as Partial<Schemas['HeartbeatAnswer']>;
      if (lastStatus !== null && !isAborted(off)) presence?.compare(lastStatus);
      if (action === 'recycle' && !isAborted(off))
        await network.send((allocator) => allocator.recycled(hostname, id), off).catch(() => null);
    }
  }

  async function ship(off: AbortSignal): Promise<void> {
    while (!isAborted(off)) {
      await clock.sleep(draw.below(LOGS_MS));
      const rest = Buffer.from(log).subarray(shipped);
      const { messages, usedBytes } = cutMessages(
        rest,
        { generation: hostname, offset: shipped },
        { limits: messageLimits, takeRest: false },
      );
      if (isAborted(off) || messages.length === 0) continue;
      const body = {
        log_group: 'log',
        log_stream: hostname,
        messages: messages.map(({ text }) => text),
        event_ids: messages.map(({ id }) => id),
      };
      const answer = await network
        .send(
          async ({ handlers }, signal) => (await handlers.postVmLogs(input(hostname, body, signal))) as Reply,
          off,
        )
        .catch(() => null);
      // A machine that lost its power now ships the same lines again.
      if (answer?.status === 200 && !isAborted(off)) shipped += usedBytes;
    }
  }

  return {
    hostname,
    kind,
    runs,
    get interruptions() {
      return interruptions;
    },
    get linesWritten() {
      return linesWritten;
    },
    writeLog: (lines) => {
      for (let line = 0; line < lines; line++) log += `${logLine(hostname, ++linesWritten)}\n`;
    },
    start,
    kill: () => {
      if (!power) return;
      interruptions += 1;
      power.isOn = false;
      power.off.abort(LEFT);
      power = null;
    },
  };
}

function codeOf(command: string): string {
  return /--code="([^"]+)"/.exec(command)?.[1] ?? '';
}

type SendTo = (path: string, id: string, body: unknown, signal: AbortSignal) => Promise<Reply>;
type Sent = {
  readonly params?: { readonly path: { readonly id?: string } };
  readonly body?: unknown;
  readonly signal: AbortSignal;
};

/** As src/agent/requests.ts answers, without HTTP. */
function createApi(send: SendTo, alive: <T>(value: T) => Promise<T>): Api {
  const client = {
    POST: async (path: string, { params, body, signal }: Sent) => {
      const { status, body: data } = await send(path, params?.path.id ?? '', body, signal);
      return { data, response: { ok: status === 200, status } };
    },
  } as unknown as LablinkClient;
  async function ask<T>(request: Send<T>, signal: AbortSignal) {
    await alive(undefined);
    const answer = await request(client, signal).then(
      ({ data, response }) =>
        response.ok && data !== undefined ? succeed(data) : fail(failure(response.status)),
      (error: unknown) => fail(failure(error instanceof Error && 'code' in error ? 503 : null)),
    );
    return alive(answer);
  }
  return { ask, poll: ask };
}
