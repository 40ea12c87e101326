// What comes at intervals, whatever else happens: reports of VMs, and the requests of those who look at a page.
import { setTimeout as delay } from 'node:timers/promises';
import { openConnection, type Connection } from './connection.ts';
import type { Jobs } from './jobs.ts';
import { getRequest, heartbeatRequest, logRequest } from './requests.ts';

const LINES = 5;
/** Reports are answered one after another on each. Agents keep their connections too. */
const CONNECTIONS = 100;

export async function report({
  port,
  hostnames,
  heartbeatEveryMs,
  logEveryMs,
  forMs,
}: Jobs['report']['job']): Promise<Jobs['report']['result']> {
  // Of their own: on a real machine, a heartbeat does not wait for a batch of logs.
  const [heartbeats, logs] = [openSender(port), openSender(port)];
  const lines = Array.from(
    { length: LINES },
    (_, line) => `2026-01-01 09:00:00,000 - util.py[DEBUG]: line ${line}`,
  );
  const at = (index: number): string => hostnames[index % hostnames.length] ?? '';
  const [heartbeatMs, logMs] = await Promise.all([
    steadily(heartbeatEveryMs / hostnames.length, forMs, (index) =>
      heartbeats(heartbeatRequest(port, at(index))),
    ),
    steadily(logEveryMs / hostnames.length, forMs, (index) => logs(logRequest(port, at(index), lines))),
  ]);
  for (const sender of [heartbeats, logs]) sender.close();
  return { heartbeatMs, logMs, refused: heartbeats.refused() + logs.refused() };
}

export async function watch({
  port,
  paths,
  everyMs,
  forMs,
}: Jobs['watch']['job']): Promise<Jobs['watch']['result']> {
  const send = openSender(port);
  const times = await Promise.all(
    paths.map(
      async (path) => [path, await steadily(everyMs, forMs, () => send(getRequest(port, path)))] as const,
    ),
  );
  send.close();
  return { byPath: Object.fromEntries(times) };
}

/** Sends at each interval, whether the one before was answered or not. Times count from when it was due. */
async function steadily(
  everyMs: number,
  forMs: number,
  send: (index: number) => Promise<void>,
): Promise<number[]> {
  const startedMs = performance.now();
  const sent: Promise<number>[] = [];
  for (let dueMs = startedMs; dueMs < startedMs + forMs; dueMs += everyMs) {
    await delay(Math.max(0, dueMs - performance.now()));
    const fromMs = dueMs;
    sent.push(send(sent.length).then(() => performance.now() - fromMs));
  }
  return Promise.all(sent);
}

type Sender = ((request: string) => Promise<void>) & {
  readonly close: () => void;
  /** How many were answered 503. */
  readonly refused: () => number;
};

/** Over connections that are kept, and opened when none is free: the server closes those that say nothing. */
function openSender(port: number): Sender {
  const all: Connection[] = [];
  const free: Connection[] = [];
  const waiting: ((connection: Connection) => void)[] = [];
  let opened = 0;
  let refused = 0;
  const take = async (): Promise<Connection> => {
    const kept = free.pop();
    if (kept) return kept;
    if (opened === CONNECTIONS) return new Promise((resolve) => waiting.push(resolve));
    opened += 1;
    const connection = await openConnection(port);
    all.push(connection);
    return connection;
  };
  const send = async (request: string): Promise<void> => {
    const connection = await take();
    const { status, body } = await connection.send(request);
    const next = waiting.shift();
    if (next) next(connection);
    else free.push(connection);
    if (status === 503) refused += 1;
    else if (status !== 200)
      throw new Error(`${request.slice(0, request.indexOf('\r'))} was answered ${status}: ${body}`);
  };
  return Object.assign(send, {
    refused: () => refused,
    close: () => {
      for (const connection of all) connection.close();
    },
  });
}
