import { describe, expect, test } from 'vitest';
import { CloudError } from '../../src/provision/aws/cloud-error.ts';
import { checkAddress, createPreflight } from '../../src/provision/aws/preflight.ts';
import { cacheFacts, type CloudFacts } from '../../src/provision/aws/cached-facts.ts';

const cloud: CloudFacts = {
  describeTypes: () =>
    Promise.resolve(new Map([['g4dn.xlarge', { vcpus: 4, nvidia: true, zones: ['us-west-2a'] }]])),
  image: () => Promise.resolve({ name: 'the image', rootDiskGb: 80 }),
  onDemandQuota: () => Promise.resolve({ limitVcpus: 40, usedVcpus: 12 }),
};
const options = {
  cloud,
  allocatorUrl: 'https://lab.example.org',
  allowPlainHttp: false,
  machineTypes: ['g4dn.xlarge'],
  amiId: 'ami-1',
};
const preflightOn =
  (facts: ReturnType<typeof cacheFacts>, changes: Partial<typeof options> = {}) =>
  (numVms: number) =>
    createPreflight({ ...options, ...changes, facts })({
      numVms,
      signal: new AbortController().signal,
    });
const ask = (numVms: number, changes: Partial<typeof options> = {}) =>
  preflightOn(
    cacheFacts(changes.cloud ?? cloud, () => 0),
    changes,
  )(numVms);

describe('the preflight', () => {
  test('a launch that fits the quota is accepted', async () => {
    expect(await ask(7)).toMatchObject({ ok: true });
  });

  test('a launch that exceeds the quota is rejected with the numbers and the largest possible launch', async () => {
    expect(await ask(8)).toEqual({
      ok: false,
      failure: {
        code: 'quota',
        message:
          '8 × g4dn.xlarge need 32 vCPUs, but the account has 28 left of its 40 (“Running On-Demand G and VT instances”, L-DB2E81BA).',
        remedy:
          'Launch at most 7, or request a higher quota: Service Quotas, Amazon EC2, “Running On-Demand G and VT instances”. `lablink doctor --vms 8` shows how many vCPUs to request.',
      },
    });
  });

  test('answers of AWS that allow a launch are cached, and a rejection is checked again', async () => {
    const asked: string[] = [];
    let usedVcpus = 12;
    let now = 0;
    const counted: CloudFacts = {
      describeTypes: (...wanted) => (asked.push('types'), cloud.describeTypes(...wanted)),
      image: (...wanted) => (asked.push('image'), cloud.image(...wanted)),
      onDemandQuota: () => (asked.push('quota'), Promise.resolve({ limitVcpus: 40, usedVcpus })),
    };
    const preflight = preflightOn(cacheFacts(counted, () => now));
    expect([await preflight(7), await preflight(7)]).toMatchObject([{ ok: true }, { ok: true }]);
    expect(asked.splice(0)).toEqual(['types', 'image', 'quota']);
    // Machines were destroyed since: the cached answer must not reject the launch.
    usedVcpus = 0;
    expect(await preflight(10)).toMatchObject({ ok: true });
    expect(asked.splice(0)).toEqual(['types', 'image', 'quota']);
    // A minute later, the quota is asked again; types and AMIs are not.
    now = 60_000;
    usedVcpus = 40;
    expect(await preflight(1)).toMatchObject({ ok: false });
    expect(asked.splice(0)).toEqual(['quota', 'types', 'image', 'quota']);
  });

  test('an unknown quota does not reject a launch', async () => {
    expect(await ask(900, { cloud: { ...cloud, onDemandQuota: () => Promise.resolve(null) } })).toMatchObject(
      {
        ok: true,
      },
    );
  });

  test.each([
    ['the type', { machineTypes: ['g9.huge'] }, 'EC2 has no machine type g9.huge'],
    ['the AMI', { cloud: { ...cloud, image: () => Promise.resolve(null) } }, 'The AMI ami-1 does not exist'],
    ['the address', { allocatorUrl: 'http://127.0.0.1:5000' }, 'cannot reach this server'],
  ])('a launch is rejected if %s does not exist', async (_what, changes, words) => {
    expect(await ask(1, changes)).toMatchObject({
      ok: false,
      failure: { message: expect.stringContaining(words) as unknown },
    });
  });

  test('expired credentials reject a launch, and an unreachable AWS is an error', async () => {
    const failing = (code: 'credentials' | 'timeout') => ({
      ...cloud,
      image: () => Promise.reject(new CloudError({ code, message: 'No.', remedy: 'Do.' }, 'Code')),
    });
    expect(await ask(1, { cloud: failing('credentials') })).toEqual({
      ok: false,
      failure: { code: 'credentials', message: 'No.', remedy: 'Do.' },
    });
    await expect(ask(1, { cloud: failing('timeout') })).rejects.toThrow('No.');
  });

  test.each([
    'http://localhost:5000',
    'http://127.0.0.1',
    'https://[::1]',
    'http://0.0.0.0:80',
    'https://a.localhost',
  ])('the address %s is rejected even if plain http is allowed', (url) => {
    expect(checkAddress(url, true)).toMatchObject({ ok: false });
  });

  test('plain http is accepted only if it is allowed', () => {
    expect(checkAddress('http://lab.example.org', false)).toMatchObject({
      ok: false,
      failure: { remedy: expect.stringContaining('ALLOW_PLAIN_HTTP') as unknown },
    });
    expect(checkAddress('http://lab.example.org', true)).toMatchObject({ ok: true });
    expect(checkAddress('https://lab.example.org', false)).toMatchObject({ ok: true });
  });
});
