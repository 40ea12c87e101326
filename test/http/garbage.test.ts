// What a request used is collected soon after it. What lives until a full collection makes every collection of the young generation
// copy it: a fifth of the processor time while everybody joins.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { formHeaders } from '../support/raw-http.ts';

const REQUESTS = 1_000;
const CONNECTIONS = 10;
/** Of 10 KB that a request takes. */
const LASTING_BYTES = 3_000;

type Looked = { readonly oldBytes: number; readonly fullCollections: number };

test.each(['application/json', 'text/html'])(
  'nearly nothing of a request that was answered with %s lives until a full collection',
  async (accept) => {
    const server = fork(join(import.meta.dirname, 'garbage-server.ts'), {
      // A small young generation, and old space enough for no full collection.
      execArgv: ['--max-semi-space-size=1', '--initial-heap-size=500'],
    });
    onTestFinished(() => void server.kill('SIGKILL'));
    const look = async (): Promise<Looked> => {
      server.send('look');
      return ((await once(server, 'message')) as [Looked])[0];
    };
    const [{ port }] = (await once(server, 'message')) as [{ readonly port: number }];
    const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
    onTestFinished(() => agent.destroy());
    const body = 'email=ada%40example.org&crd_command=start-host';
    const send = async (): Promise<void> => {
      const sent = request({
        agent,
        port,
        method: 'POST',
        path: '/api/request_vm',
        headers: { ...formHeaders, Accept: accept, 'Content-Length': body.length },
      });
      const response = once(sent, 'response');
      sent.end(body);
      const [answer] = (await response) as [NodeJS.ReadableStream & { readonly statusCode: number }];
      expect(answer.statusCode).toBe(200);
      await once(answer.resume(), 'end');
    };
    const sendAll = (): Promise<unknown> => Promise.all(Array.from({ length: REQUESTS }, send));

    await sendAll();
    const before = await look();
    await sendAll();
    const after = await look();
    expect(after.fullCollections).toBe(before.fullCollections);
    expect((after.oldBytes - before.oldBytes) / REQUESTS).toBeLessThan(LASTING_BYTES);
  },
);
