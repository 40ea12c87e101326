// People who send the form: many at once, or one after another at a steady rate.
import { setTimeout as delay } from 'node:timers/promises';
import { openConnection, type Answer, type Connection } from './connection.ts';
import type { Jobs } from './jobs.ts';
import type { Polls } from './polls.ts';
import { formRequest } from './requests.ts';

export async function ask({
  port,
  connections,
  people,
  prefix,
  accept,
}: Jobs['ask']['job']): Promise<Jobs['ask']['result']> {
  const open = await Promise.all(Array.from({ length: connections }, () => openConnection(port)));
  const requests = Array.from({ length: people }, (_, number) =>
    formRequest(port, `${prefix}-${number}@example.org`, accept),
  );
  let next = 0;
  const work = async (connection: Connection): Promise<void> => {
    while (next < people) expectOk(await connection.send(requests[next++]!));
  };
  const startedMs = performance.now();
  try {
    await Promise.all(open.map(work));
    return { seconds: (performance.now() - startedMs) / 1_000 };
  } finally {
    for (const connection of open) connection.close();
  }
}

/** One connection; the rate is kept whatever an answer takes, so long as it takes less than the interval. */
export async function tell(
  { port, people, perSecond }: Jobs['tell']['job'],
  polls: Polls,
): Promise<Jobs['tell']['result']> {
  const connection = await openConnection(port);
  const toldMs: Promise<number>[] = [];
  const answeredMs: number[] = [];
  try {
    const startedMs = performance.now();
    while (toldMs.length < people) {
      const dueMs = startedMs + (toldMs.length * 1_000) / perSecond;
      await delay(Math.max(0, dueMs - performance.now()));
      const request = formRequest(port, `told-${toldMs.length}@example.org`, 'application/json');
      const askedMs = performance.now();
      const { body } = expectOk(await connection.send(request));
      answeredMs.push(performance.now() - askedMs);
      const { hostname } = JSON.parse(body) as { hostname: string };
      toldMs.push(polls.toldAt(hostname).then((atMs) => atMs - askedMs));
    }
    return { toldMs: await Promise.all(toldMs), answeredMs };
  } finally {
    connection.close();
  }
}

function expectOk(answer: Answer): Answer {
  if (answer.status !== 200) throw new Error(`The form was answered ${answer.status}: ${answer.body}`);
  return answer;
}
