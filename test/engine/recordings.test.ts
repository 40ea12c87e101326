// The reducer and the failures, on recordings of the real Pulumi (test/golden/pulumi-engine).
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { explainOutput } from '../../src/provision/aws/failure.ts';
import { AWS_CLOUD } from '../../src/provision/aws/pulumi.ts';
import { reasonIn, readLock } from '../../src/provision/engine/failure.ts';
import { isStale, removeUnreadableLocks } from '../../src/provision/engine/lock.ts';
import type { EngineFact } from '../../src/provision/engine/messages.ts';
import { createEventReducer, FACT_TEXT_LIMIT } from '../../src/provision/engine/reduce-event.ts';

const FOLDER = join(import.meta.dirname, '../golden/pulumi-engine');
const lines = async (name: string): Promise<unknown[]> =>
  (await readFile(join(FOLDER, name), 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);

async function factsOf(name: string): Promise<EngineFact[]> {
  const reduce = createEventReducer(AWS_CLOUD.machineType);
  return (await lines(`${name}.events.jsonl`)).flatMap((event) => {
    const { timestamp } = z.object({ timestamp: z.number() }).parse(event);
    return reduce(event, timestamp * 1000);
  });
}

/** What happened to machines, as words, without the order in which the engine happened to do it. */
function actions(facts: readonly EngineFact[]): string[] {
  return facts
    .flatMap((fact) => {
      if (fact.kind === 'started') return [`${fact.hostname} ${fact.action}…`];
      if (fact.kind === 'finished')
        return [`${fact.hostname} ${fact.action} ${fact.instanceId === null ? '' : 'id'}`.trim()];
      return fact.kind === 'failed' ? [`${fact.hostname} failed to ${fact.action}`] : [];
    })
    .sort();
}

async function outputOf(name: string): Promise<string> {
  const runs = z
    .array(z.object({ argv: z.array(z.string()), rc: z.number(), stdout: z.string(), stderr: z.string() }))
    .parse(await lines(`${name}.cli.jsonl`));
  return runs
    .filter(({ rc, argv }) => rc !== 0 && argv[1] !== 'select')
    .map(({ stdout, stderr }) => stdout + stderr)
    .join('\n');
}

describe('the reduced events of the real Pulumi', () => {
  test.each<[string, string[], boolean | null]>([
    ['up-3', ['a-1', 'a-2', 'a-3'].flatMap((name) => [`${name} create id`, `${name} create…`]), true],
    ['grow-to-5', ['a-4', 'a-5'].flatMap((name) => [`${name} create id`, `${name} create…`]), true],
    [
      'partial',
      ['a-6 create id', 'a-6 create…', 'a-7 create…', 'a-7 failed to create', 'a-8 create id', 'a-8 create…'],
      false,
    ],
    ['remove-one', ['a-5', 'a-6', 'a-8'].flatMap((name) => [`${name} delete`, `${name} delete…`]), true],
    ['destroy', ['a-1', 'a-2', 'a-3', 'a-4'].flatMap((name) => [`${name} delete`, `${name} delete…`]), true],
    ['refresh', [], true],
    ['destroy-empty', [], true],
    ['cancel', ['b-1', 'b-2'].flatMap((name) => [`${name} create id`, `${name} create…`]), false],
    ['engine-killed', ['b-3 create…'], null],
    ['pending-operations', ['b-3 create id', 'b-3 create…'], true],
    ['plugin-missing', [], false],
    ['program-error', [], false],
  ])('the recording %s gives the expected facts', async (name, wanted, succeeded) => {
    const facts = await factsOf(name);
    expect(actions(facts)).toEqual(wanted.sort());
    const summary = facts.find((fact) => fact.kind === 'summary');
    // A killed engine sends no summary.
    expect(summary?.succeeded ?? null).toBe(succeeded);
  });

  test('a created machine has its id, its address and its creation time', async () => {
    const created = (await factsOf('cancel')).filter((fact) => fact.kind === 'finished');
    expect(created).toHaveLength(2);
    for (const fact of created)
      expect(fact).toMatchObject({
        instanceId: expect.stringMatching(/^i-/) as unknown,
        publicIp: expect.any(String) as unknown,
        seconds: 6,
      });
  });

  test('a failed machine has the message of AWS', async () => {
    const failed = (await factsOf('partial')).find((fact) => fact.kind === 'failed');
    expect(failed).toMatchObject({
      hostname: 'a-7',
      text: expect.stringContaining('VcpuLimitExceeded') as unknown,
    });
  });

  test('debug output and the path of the plugin are left out', async () => {
    const output = (await factsOf('up-3')).filter((fact) => fact.kind === 'output');
    expect(output).toEqual([]);
  });

  test('facts contain no inputs and no other outputs of the state', async () => {
    for (const name of ['up-3', 'partial', 'refresh', 'destroy'])
      expect(JSON.stringify(await factsOf(name))).not.toMatch(/instanceType|t3\.micro|ami-1/);
  });

  test.each([null, 7, 'x', {}, { resourcePreEvent: {} }, { diagnosticEvent: { message: 5 } }])(
    'the invalid event %j gives no facts',
    (event) => expect(createEventReducer(AWS_CLOUD.machineType)(event, 0)).toEqual([]),
  );

  test('a long line of the output is cut', () => {
    const event = { diagnosticEvent: { message: 'x'.repeat(100_000), severity: 'error' } };
    const [fact] = createEventReducer(AWS_CLOUD.machineType)(event, 0);
    expect(fact).toMatchObject({ text: 'x'.repeat(FACT_TEXT_LIMIT) });
  });
});

describe('the failures of the real Pulumi', () => {
  test.each([
    ['partial', 'quota'],
    ['cancel', 'cancelled'],
    ['after-kill-locked', 'busy'],
    ['plugin-missing', 'engine'],
    ['program-error', 'program'],
    ['wrong-passphrase', 'credentials'],
  ])('the recording %s fails with %s', async (name, code) => {
    const failure = explainOutput(await outputOf(name));
    expect(failure.code).toBe(code);
    expect(failure.message).toMatch(/^[A-Z].*\.$/);
    expect(failure.remedy).toMatch(/^[A-Z].*\.$/);
  });

  test.each([
    ['InsufficientInstanceCapacity: We currently do not have sufficient t3.micro capacity', 'capacity'],
    ['ExpiredToken: The security token included in the request is expired', 'credentials'],
    ['UnauthorizedOperation: You are not authorized to perform this operation.', 'credentials'],
    ["InvalidAMIID.NotFound: The image id '[ami-1]' does not exist", 'program'],
    ['error: open /data/.pulumi/locks/x.json: no space left on device', 'engine'],
    ['error: mkdir /data: read-only file system', 'engine'],
    ['RequestLimitExceeded: Request limit exceeded.', 'engine'],
    ['something new', 'engine'],
    ['', 'engine'],
  ])('the output “%s” is the failure %s', (text, code) => expect(explainOutput(text).code).toBe(code));

  test('a resource that exists outside the state is named as the cause', () => {
    const said = 'creating IAM Role (lab-test-1-machine): EntityAlreadyExists: Role already exists';
    expect(explainOutput(said).causes).toContain('exists_outside_state');
  });

  test.each([
    ['VolumeLimitExceeded: You have exceeded your maximum gp3 volume storage', 'other_limit'],
    ['VcpuLimitExceeded: You have requested more vCPU capacity than your current limit', 'vcpu_limit'],
    ['InsufficientVolumeCapacity: There is not enough capacity', 'no_capacity'],
    ['InvalidBlockDeviceMapping: Volume of size 8GB is smaller than snapshot', 'invalid_configuration'],
    ['unexpected state terminated: Client.InternalError: Client error on launch', 'disk_key'],
    ['StatusCode: 503, api error Unavailable: The service is unavailable', 'aws_server_error'],
    ['RequestLimitExceeded: Request limit exceeded.', 'aws_throttled'],
    ['error: failed to load checkpoint: place 1: unexpected end of JSON input', 'state_unreadable'],
    ['error: unexpected end of JSON input', 'lock_unreadable'],
    [
      'error: open /data/locks/x.json: operation not permitted\n  1) A permission.\n  2) Unknown.',
      'state_read_only',
    ],
  ])('the output “%s” has the cause %s alone', (text, cause) =>
    expect(explainOutput(text).causes).toEqual([cause]),
  );

  test.each(['torn-lock', 'torn-lock-tmp', 'torn-checkpoint', 'empty-checkpoint'])(
    'the recording %s is a failure of the state, with a remedy',
    async (name) => {
      const { causes, remedy } = explainOutput(await outputOf(name));
      expect(causes).toEqual([name.includes('lock') ? 'lock_unreadable' : 'state_unreadable']);
      expect(remedy).not.toMatch(/^Try again\. If it fails again, report/);
    },
  );

  test('the reason has no stack trace and is cut', () => {
    expect(reasonIn('first\n  boom in program\n    at Object.program (/srv/app.ts:1:1)\n')).toBe(
      'boom in program.',
    );
    expect(reasonIn('x'.repeat(1_000)).length).toBeLessThan(310);
  });

  test('a progress line, a summary or a numbered hint is never the reason', async () => {
    expect(reasonIn(await outputOf('engine-killed'))).not.toMatch(/updating/);
    expect(
      reasonIn('error: mkdir /data: file exists\n  1) Something.\n  2) Unknown.\nerror: update failed'),
    ).toBe('mkdir /data: file exists.');
  });
});

describe('the lock of a killed run', () => {
  const text = () => outputOf('after-kill-locked');
  const context = {
    host: 'here',
    now: new Date('2026-11-23T09:00:00Z'),
    isPrivateState: false,
    staleAfterMs: 3 * 3_600_000,
  };

  test('a lock is read with its process, host and time', async () => {
    expect(explainOutput(await text()).causes).toContain('state_locked');
    expect(readLock(await text())).toEqual({
      host: 'host',
      pid: 17_124,
      since: new Date('2026-11-23T08:24:55Z'),
    });
    expect(readLock('no lock at all')).toBeNull();
  });

  test('a lock of this host is stale if its process is gone or is another program', async () => {
    const mine = { host: 'here', since: new Date() };
    expect(await isStale({ ...mine, pid: 4_190_000 }, context)).toBe(true);
    // This process runs, but is not Pulumi.
    expect(await isStale({ ...mine, pid: process.pid }, context)).toBe(true);
  });

  test('lock files that cannot be read are removed with their attributes, and others stay', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lablink-locks-'));
    const lock = JSON.stringify({
      pid: 1,
      username: 'lab',
      hostname: 'h',
      timestamp: '2026-11-23T08:24:55Z',
    });
    const files = {
      'good.json': lock,
      'empty.json': '',
      'empty.json.attrs': '{}',
      'cut.json.7.tmp': lock.slice(0, 9),
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    expect((await removeUnreadableLocks(folder)).sort()).toEqual(['cut.json.7.tmp', 'empty.json']);
    expect(await readdir(folder)).toEqual(['good.json']);
    expect(await removeUnreadableLocks(join(folder, 'none'))).toEqual([]);
    expect(await removeUnreadableLocks(null)).toEqual([]);
    await rm(folder, { recursive: true });
  });

  test('a lock of another host is stale only if the state is private or the lock is very old', async () => {
    const lock = { host: 'elsewhere', pid: 1, since: new Date('2026-11-23T08:24:55Z') };
    expect(await isStale(lock, context)).toBe(false);
    expect(await isStale(lock, { ...context, isPrivateState: true })).toBe(true);
    expect(await isStale(lock, { ...context, now: new Date('2026-11-23T12:00:00Z') })).toBe(true);
  });
});
