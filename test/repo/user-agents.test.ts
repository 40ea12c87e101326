// Every program of ours says what it is: proxies refuse the names that libraries send by themselves.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { forward } from '../../infra/log-forwarder/index.mjs';
import { createApi } from '../../src/agent/requests.ts';
import { createLablinkClient } from '../../src/client/client.ts';
import { clientSettings } from '../../src/provision/aws/clients.ts';
import { quick } from '../agent/fixture.ts';

const seen: string[] = [];
let server: Server;
let url = '';

beforeAll(async () => {
  server = createServer((req, res) => {
    seen.push(req.headers['user-agent'] ?? '');
    res.writeHead(400, { 'Content-Type': 'application/json' }).end('{}');
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
});
afterAll(() => new Promise((closed) => server.close(closed)));
beforeEach(() => void seen.splice(0));

const event = {
  messageType: 'DATA_MESSAGE',
  logGroup: 'g',
  logStream: 'vm-1',
  logEvents: [{ id: '1', message: 'x' }],
};
const logs = gzipSync(JSON.stringify(event)).toString('base64');
const agentOptions = {
  allocatorUrl: '',
  token: null,
  intervals: quick,
  dependencies: { fetch: (request: Request) => fetch(request) },
};

test.each<[string, RegExp, () => Promise<unknown>]>([
  ['the SDK', /^LabLink-Client\//, () => createLablinkClient({ baseUrl: url }).GET('/api/health')],
  [
    'the agent',
    /^LabLink-Agent\//,
    () =>
      createApi({ ...agentOptions, allocatorUrl: url } as unknown as Parameters<typeof createApi>[0]).ask(
        (client, signal) => client.GET('/api/health', { signal }),
        new AbortController().signal,
      ),
  ],
  ['the log forwarder', /^LabLink-Log-Forwarder\//, () => forward(logs, { url, token: 't', pausesMs: [] })],
  [
    'the boot script',
    /^LabLink-Boot\//,
    async () => {
      const script = await readFile(new URL('../../infra/boot/boot.sh', import.meta.url), 'utf8');
      const [wrapper = ''] = /^curl\(\).*$/m.exec(script) ?? [];
      await promisify(execFile)('bash', ['-c', `${wrapper}\ncurl --silent ${url}/`]);
    },
  ],
  [
    'a client of AWS',
    /LabLink-Allocator\/\d/,
    () =>
      new STSClient({
        ...clientSettings('us-west-2'),
        endpoint: url,
        credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      })
        .send(new GetCallerIdentityCommand())
        .catch(() => undefined),
  ],
])('%s sends a product as its User-Agent', async (_, product, ask) => {
  await ask();
  expect(seen).toHaveLength(1);
  expect(seen[0]).toMatch(product);
});
