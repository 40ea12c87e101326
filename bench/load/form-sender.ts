// Sends the form for many participants: at once, or one after another at a steady rate.
import { setTimeout as delay } from 'node:timers/promises';
import { openConnection, type Answer, type Connection } from './connection.ts';
import type { Jobs } from './jobs.ts';
import type { Polls } from './polls.ts';
import { formRequest } from './requests.ts';

export async function requestAtOnce({
  port,
  connections,
  requests: count,
  prefix,
  accept,
}: Jobs['requestAtOnce']['job']): Promise<Jobs['requestAtOnce']['result']> {
  const open = await Promise.all(Array.from({ length: connections }, () => openConnection(port)));
  const requests = Array.from({ length: count }, (_, number) =>
    formRequest(port, `${prefix}-${number}@example.org`, accept),
  );
  let next = 0;
  const work = async (connection: Connection): Promise<void> => {
    while (next < count) expectOk(await connection.send(requests[next++]!));
  };
  const startedMs = performance.now();
  try {
    await Promise.all(open.map(work));
    return { seconds: (performance.now() - startedMs) / 1_000 };
  } finally {
    for (const connection of open) connection.close();
  }
}

/** Uses one connection; the rate stays constant as long as each answer takes less than the interval. */
export async function requestPaced(
  { port, requests, perSecond }: Jobs['requestPaced']['job'],
  polls: Polls,
): Promise<Jobs['requestPaced']['result']> {
  const connection = await openConnection(port);
  const deliveryMs: Promise<number>[] = [];
  const answeredMs: number[] = [];
  try {
    const startedMs = performance.now();
    while (deliveryMs.length < requests) {
      const dueMs = startedMs + (deliveryMs.length * 1_000) / perSecond;
      await delay(Math.max(0, dueMs - performance.now()));
      const request = formRequest(port, `told-${deliveryMs.length}@example.org`, 'application/json');
      const sentMs = performance.now();
      const { body } = expectOk(await connection.send(request));
      answeredMs.push(performance.now() - sentMs);
      const { hostname } = JSON.parse(body) as { hostname: string };
      deliveryMs.push(polls.deliveredAt(hostname).then((atMs) => atMs - sentMs));
    }
    return { deliveryMs: await Promise.all(deliveryMs), answeredMs };
  } finally {
    connection.close();
  }
}

/** As in src/browser/send-again.ts. */
const JITTER = 0.5;

/** A page without a machine says that all are taken. */
export async function rush(
  { port, people, overMs, prefix }: Jobs['rush']['job'],
  polls: Polls,
): Promise<Jobs['rush']['result']> {
  const told: Promise<number>[] = [];
  const hostnames: string[] = [];
  let refused = 0;
  /** The page, however often the form has to be sent: a refused page sends it again by itself. */
  const persist = async (port: number, request: string): Promise<string> => {
    for (;;) {
      const connection = await openConnection(port);
      const answer = await connection.send(request);
      connection.close();
      if (answer.status !== 503) return expectOk(answer).body;
      refused += 1;
      const seconds = Number(/data-send-again="(\d+)"/.exec(answer.body)?.[1] ?? 1);
      await delay(seconds * 1_000 * (1 + JITTER * Math.random()));
    }
  };
  const startedMs = performance.now();
  const come = async (number: number): Promise<number> => {
    await delay(Math.max(0, startedMs + (number * overMs) / people - performance.now()));
    const sentMs = performance.now();
    const body = await persist(port, formRequest(port, `${prefix}-${number}@example.org`, 'text/html'));
    const pageMs = performance.now() - sentMs;
    const [hostname] = /lablink-vm-bench-\d+/.exec(body) ?? [];
    if (hostname === undefined) return pageMs;
    hostnames.push(hostname);
    told.push(polls.deliveredAt(hostname).then((atMs) => atMs - sentMs));
    return pageMs;
  };
  const pageMs = await Promise.all(Array.from({ length: people }, (_, number) => come(number)));
  return { pageMs, toldMs: await Promise.all(told), hostnames, refused };
}

function expectOk(answer: Answer): Answer {
  if (answer.status !== 200) throw new Error(`The form was answered ${answer.status}: ${answer.body}`);
  return answer;
}
