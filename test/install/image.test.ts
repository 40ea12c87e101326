// The container image: built from the unchanged Dockerfile, started without root, capabilities and a writable root file system; a
// participant gets a machine through Caddy in front of it. Prints its size and the time of its start.
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createLablinkClient } from '../../src/client/client.ts';
import { buildImage, canBuildImages, type Image } from '../support/image.ts';
import { freePorts, hasProxies, startProxies } from '../support/proxies.ts';
import { requestVmByForm } from '../support/request-form.ts';
import { requirePart } from '../support/required.ts';

const canRun = requirePart(
  'What builds and starts images (root, buildah, runc, mmdebstrap, caddy, nginx)',
  canBuildImages && hasProxies,
  'Install these packages, and run the tests as root.',
);
const BUILD_MS = 600_000;
const READY = { timeout: 120_000, interval: 20 };
/** Megabytes of Debian's own image, which the base made here is smaller than. */
const DEBIAN_MB = 75;
const MOST_MB = 350;

describe.skipIf(!canRun)('the container image', { timeout: BUILD_MS }, () => {
  const certificates = getCACertificates('default');
  let image: Image;
  beforeAll(async () => {
    image = await buildImage();
  }, BUILD_MS);
  afterAll(async () => {
    setDefaultCACertificates(certificates);
    await image[Symbol.asyncDispose]();
  });

  test('is at most 350 MB large on Debian’s own image, and does not run as root', () => {
    const { own, whole } = image.size;
    console.log(`image: ${own} MB on top of its base (${whole} MB here, ${own + DEBIAN_MB} MB on Debian's)`);
    expect(own).toBeGreaterThan(0);
    expect(own + DEBIAN_MB).toBeLessThanOrEqual(MOST_MB);
    expect(Number(image.config.User)).toBeGreaterThan(0);
  });

  test('becomes healthy with a read-only root, and gives a participant a machine through Caddy over TLS', async () => {
    const [upstream = 0, ...ports] = await freePorts(5);
    const beforeMs = performance.now();
    await using container = await image.start({
      HOST: '127.0.0.1',
      PORT: String(upstream),
      PROVIDER: 'external',
      TRUST_PROXY: '1',
    });
    const client = createLablinkClient({ baseUrl: `http://127.0.0.1:${upstream}` });
    await vi.waitFor(async () => {
      const { data } = await client.GET('/api/health');
      expect(data?.status, container.output()).toBe('ok');
    }, READY);
    console.log(
      `image: ready ${((performance.now() - beforeMs) / 1_000).toFixed(1)} s after its first start`,
    );
    const [kind, ...command] = image.config.Healthcheck.Test;
    expect(kind).toBe('CMD');
    expect(await container.exec(command)).toContain('is ready');
    await expect(container.exec(['sh', '-c', 'echo >/opt/lablink/x'])).rejects.toThrow(
      'Read-only file system',
    );
    await expect(container.exec(['sh', '-c', 'command -v curl'])).rejects.toThrow();

    await using proxies = await startProxies(ports, upstream);
    setDefaultCACertificates([...certificates, proxies.authority]);
    const { url } = proxies.caddy;
    const send = (path: string, body: unknown) =>
      fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    await send('/api/vm-status', { hostname: 'lab-pc-1', status: 'running' });
    const delivered = send('/vm_startup', { hostname: 'lab-pc-1' }).then((response) => response.json());
    const given = await requestVmByForm(url, 'ada@example.org');
    expect(await given.json()).toMatchObject({ hostname: 'lab-pc-1' });
    expect(await delivered).toMatchObject({ command: expect.stringContaining('4/0Aone') as string });
    expect(await container.stop()).toBe(0);
  });
});
