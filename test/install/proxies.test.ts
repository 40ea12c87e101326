// The sample configurations of Caddy and nginx in front of a real server: TLS, a participant who gets a machine, live events, and a poll
// that is held for longer than any time-out of theirs; `lablink doctor --public` holds one too, in the same time.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runPublicDoctor } from '../../src/app/public-doctor.ts';
import { createLablinkClient } from '../../src/client/client.ts';
import { loadConfig } from '../../src/config.ts';
import { freePorts, hasProxies, startProxies, type Proxies } from '../support/proxies.ts';
import { requestVmByForm } from '../support/request-form.ts';
import { requirePart } from '../support/required.ts';
import { ADMIN, startTestServer, type TestServer } from '../support/server.ts';
import { readEvents } from '../support/sse.ts';

const canRun = requirePart('Caddy or nginx', hasProxies, 'Install the packages caddy and nginx.');
/** Longer than the time-out of every common proxy, 60 s. */
const HELD_MS = 70_000;
/** As `lablink doctor --public` does when nobody says how long. */
const EXAMINED_SECONDS = 65;
const NAMES = ['caddy', 'nginx'] as const;
const adminHeaders = {
  authorization: `Basic ${Buffer.from(`${ADMIN.user}:${ADMIN.password}`).toString('base64')}`,
};

describe.skipIf(!canRun)('behind the sample configurations of proxies', { timeout: HELD_MS * 2 }, () => {
  const certificates = getCACertificates('default');
  let server: TestServer;
  let proxies: Proxies;
  let heldSinceMs = 0;
  const held = new Map<string, Promise<string>>();
  const ended: string[] = [];
  const examined = new Map<string, ReturnType<typeof runPublicDoctor>>();

  beforeAll(async () => {
    const [upstream = 0, ...ports] = await freePorts(5);
    // Before the server: nothing but the proxy answers.
    proxies = await startProxies(ports, upstream);
    setDefaultCACertificates([...certificates, proxies.authority]);
    server = await startTestServer({
      PORT: String(upstream),
      TRUST_PROXY: '1',
      PUBLIC_URL: proxies.caddy.url,
    });
    heldSinceMs = performance.now();
    for (const name of NAMES) held.set(name, poll(proxies[name].url, `held-${name}`));
    const ca = join(server.dataDir, 'authority.pem');
    await writeFile(ca, proxies.authority);
    const env = { ADMIN_USER: ADMIN.user, ADMIN_PASSWORD: ADMIN.password };
    const loaded = loadConfig({ env, readFile: () => undefined, cwd: '/nowhere' });
    for (const name of NAMES) {
      const { url, plainUrl } = proxies[name];
      const args = ['--public', url, '--plain', plainUrl, '--ca', ca, '--hold', String(EXAMINED_SECONDS)];
      examined.set(name, runPublicDoctor(args, loaded));
    }
  }, HELD_MS);
  afterAll(async () => {
    setDefaultCACertificates(certificates);
    await server[Symbol.asyncDispose]();
    await proxies[Symbol.asyncDispose]();
  });

  async function poll(url: string, hostname: string): Promise<string> {
    const send = (path: string, body: unknown) =>
      fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    await send('/api/vm-status', { hostname, status: 'running' });
    const answer = await send('/vm_startup', { hostname });
    const text = await answer.text();
    ended.push(hostname);
    return text;
  }

  test.each(NAMES)('%s redirects to TLS, and reports what the client has done', async (name) => {
    const plain = await fetch(`${proxies[name].plainUrl}/check`, { redirect: 'manual' });
    expect(plain.status).toBe(308);
    expect(plain.headers.get('location')).toMatch(/^https:\/\/localhost.*\/check$/);
    const page = await fetch(`${proxies[name].url}/`);
    expect(page.status).toBe(200);
    const { data } = await createLablinkClient({ baseUrl: proxies[name].url }).GET('/api/health');
    expect(data?.checks.find((check) => check.name === 'proxy')?.ok).toBe(true);
  });

  test.each(NAMES)('%s passes events on while the stream is open', async (name) => {
    const { url } = proxies[name];
    await using events = await readEvents(`${url}/api/v1/vms/events`, adminHeaders);
    expect(events.status).toBe(200);
    await events.next();
    await server.admin.POST('/api/v1/vms', { body: { hostname: `live-${name}` } });
    const seen = await events.until(({ data }) => JSON.stringify(data).includes(`live-${name}`));
    expect(seen.length).toBeGreaterThan(0);
  });

  test('both hold the poll of a machine for 70 s and that of the doctor for 65 s, then deliver the command of the participant who got it', async () => {
    await expect
      .poll(() => performance.now() - heldSinceMs, { timeout: HELD_MS * 1.5, interval: 200 })
      .toBeGreaterThan(HELD_MS);
    expect(ended).toEqual([]);
    for (const [name, answer] of examined) {
      const { text } = await answer;
      const seconds = /^ok {7}held poll {7}Was answered after (\d+) s\.$/m.exec(text)?.[1];
      expect(Number(seconds), `${name}: ${text}`).toBeGreaterThanOrEqual(EXAMINED_SECONDS);
    }
    const machines = await Promise.all(
      NAMES.map(async (name) => {
        const answer = await requestVmByForm(proxies[name].url, `${name}@example.org`);
        expect(answer.status).toBe(200);
        expect(answer.headers.get('set-cookie')).toContain('Secure');
        const { hostname } = (await answer.json()) as { hostname: string };
        return hostname;
      }),
    );
    expect(machines.toSorted()).toEqual(['held-caddy', 'held-nginx']);
    for (const text of await Promise.all(held.values())) {
      expect(text).toMatch(/^ {3,}\{/);
      expect(JSON.parse(text)).toMatchObject({ command: expect.stringContaining('4/0Aone') as string });
    }
  });
});
