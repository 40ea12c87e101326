import { describe, expect, test } from 'vitest';
import { CloudError } from '../../src/provision/aws/cloud-error.ts';
import { checkAddress, createPreflight } from '../../src/provision/aws/preflight.ts';
import { rememberFacts, type CloudFacts } from '../../src/provision/aws/remembered.ts';

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
  (facts: ReturnType<typeof rememberFacts>, changes: Partial<typeof options> = {}) =>
  (numVms: number) =>
    createPreflight({ ...options, ...changes, cloud: facts })({
      numVms,
      signal: new AbortController().signal,
    });
const ask = (numVms: number, changes: Partial<typeof options> = {}) =>
  preflightOn(
    rememberFacts(changes.cloud ?? cloud, () => 0),
    changes,
  )(numVms);

describe('before a launch', () => {
  test('what fits is let through', async () => {
    expect(await ask(7)).toEqual({ ok: true });
  });

  test('what does not fit the quota is refused with the numbers, and with how many would fit', async () => {
    expect(await ask(8)).toEqual({
      ok: false,
      failure: {
        code: 'quota',
        message:
          '8 × g4dn.xlarge need 32 vCPUs, and the account has 28 left of its 40 (“Running On-Demand G and VT instances”, L-DB2E81BA).',
        remedy:
          'Launch at most 7, or ask AWS for more: Service Quotas, Amazon EC2, “Running On-Demand G and VT instances”; `lablink doctor --vms 8` says how many.',
      },
    });
  });

  test('what AWS has just said is not asked again, for as long as it is good news', async () => {
    const asked: string[] = [];
    let usedVcpus = 12;
    let now = 0;
    const counted: CloudFacts = {
      describeTypes: (...wanted) => (asked.push('types'), cloud.describeTypes(...wanted)),
      image: (...wanted) => (asked.push('image'), cloud.image(...wanted)),
      onDemandQuota: () => (asked.push('quota'), Promise.resolve({ limitVcpus: 40, usedVcpus })),
    };
    const preflight = preflightOn(rememberFacts(counted, () => now));
    expect([await preflight(7), await preflight(7)]).toEqual([{ ok: true }, { ok: true }]);
    expect(asked.splice(0)).toEqual(['types', 'image', 'quota']);
    // Machines have ended since: nobody is refused because of what was.
    usedVcpus = 0;
    expect(await preflight(10)).toEqual({ ok: true });
    expect(asked.splice(0)).toEqual(['types', 'image', 'quota']);
    // A minute later the quota may be another; types and AMIs are not.
    now = 60_000;
    usedVcpus = 40;
    expect(await preflight(1)).toMatchObject({ ok: false });
    expect(asked.splice(0)).toEqual(['quota', 'types', 'image', 'quota']);
  });

  test('an unknown quota is no reason to refuse', async () => {
    expect(await ask(900, { cloud: { ...cloud, onDemandQuota: () => Promise.resolve(null) } })).toEqual({
      ok: true,
    });
  });

  test.each([
    ['the type', { machineTypes: ['g9.huge'] }, 'EC2 has no machine of the type g9.huge'],
    ['the AMI', { cloud: { ...cloud, image: () => Promise.resolve(null) } }, 'There is no AMI ami-1'],
    ['the address', { allocatorUrl: 'http://127.0.0.1:5000' }, 'cannot reach this server'],
  ])('%s that is not there is told', async (_what, changes, words) => {
    expect(await ask(1, changes)).toMatchObject({
      ok: false,
      failure: { message: expect.stringContaining(words) as unknown },
    });
  });

  test('expired credentials are told; an AWS that is away is left to the launch', async () => {
    const failing = (kind: 'credentials' | 'timeout') => ({
      ...cloud,
      image: () => Promise.reject(new CloudError({ kind, problem: 'No.', remedy: 'Do.' }, 'Code')),
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
  ])('%s is nowhere for a machine elsewhere, also where plain http is allowed', (url) => {
    expect(checkAddress(url, true)).toMatchObject({ ok: false });
  });

  test('plain http is for those who allow it', () => {
    expect(checkAddress('http://lab.example.org', false)).toMatchObject({
      ok: false,
      failure: { remedy: expect.stringContaining('ALLOW_PLAIN_HTTP') as unknown },
    });
    expect(checkAddress('http://lab.example.org', true)).toEqual({ ok: true });
    expect(checkAddress('https://lab.example.org', false)).toEqual({ ok: true });
  });
});
