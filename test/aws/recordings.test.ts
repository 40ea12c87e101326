// The reducer and the taxonomy, on what the real engine said (test/golden/pulumi-engine).
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { EngineFact } from '../../src/provision/aws/engine/facts.ts';
import { explainFailure, lastWords } from '../../src/provision/aws/engine/failure.ts';
import { FACT_TEXT_LIMIT, noMemory, reduceEvent } from '../../src/provision/aws/engine/reduce-event.ts';
import { isLeftOver, isLocked, readLock } from '../../src/provision/aws/lock.ts';

const FOLDER = join(import.meta.dirname, '../golden/pulumi-engine');
const lines = async (name: string): Promise<unknown[]> =>
  (await readFile(join(FOLDER, name), 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);

async function factsOf(name: string): Promise<EngineFact[]> {
  let memory = noMemory;
  return (await lines(`${name}.events.jsonl`)).flatMap((event) => {
    const { timestamp } = z.object({ timestamp: z.number() }).parse(event);
    const reduced = reduceEvent(memory, event, timestamp * 1000);
    ({ memory } = reduced);
    return reduced.facts;
  });
}

/** What happened to machines, as words, without the order in which the engine happened to do it. */
function actions(facts: readonly EngineFact[]): string[] {
  return facts
    .flatMap((fact) => {
      if (fact.kind === 'begun') return [`${fact.hostname} ${fact.doing}…`];
      if (fact.kind === 'done')
        return [`${fact.hostname} ${fact.did} ${fact.instanceId === null ? '' : 'id'}`.trim()];
      return fact.kind === 'refused' ? [`${fact.hostname} refused to ${fact.doing}`] : [];
    })
    .sort();
}

async function saidBy(name: string): Promise<string> {
  const runs = z
    .array(z.object({ argv: z.array(z.string()), rc: z.number(), stdout: z.string(), stderr: z.string() }))
    .parse(await lines(`${name}.cli.jsonl`));
  return runs
    .filter(({ rc, argv }) => rc !== 0 && argv[1] !== 'select')
    .map(({ stdout, stderr }) => stdout + stderr)
    .join('\n');
}

describe('what the real engine did, reduced', () => {
  test.each<[string, string[], boolean | null]>([
    ['up-3', ['a-1', 'a-2', 'a-3'].flatMap((name) => [`${name} make id`, `${name} make…`]), true],
    ['grow-to-5', ['a-4', 'a-5'].flatMap((name) => [`${name} make id`, `${name} make…`]), true],
    [
      'partial',
      ['a-6 make id', 'a-6 make…', 'a-7 make…', 'a-7 refused to make', 'a-8 make id', 'a-8 make…'],
      false,
    ],
    ['remove-one', ['a-5', 'a-6', 'a-8'].flatMap((name) => [`${name} end`, `${name} end…`]), true],
    ['destroy', ['a-1', 'a-2', 'a-3', 'a-4'].flatMap((name) => [`${name} end`, `${name} end…`]), true],
    ['refresh', [], true],
    ['destroy-empty', [], true],
    ['cancel', ['b-1', 'b-2'].flatMap((name) => [`${name} make id`, `${name} make…`]), false],
    ['engine-killed', ['b-3 make…'], null],
    ['pending-operations', ['b-3 make id', 'b-3 make…'], true],
    ['plugin-missing', [], false],
    ['program-error', [], false],
  ])('%s', async (name, wanted, succeeded) => {
    const facts = await factsOf(name);
    expect(actions(facts)).toEqual(wanted.sort());
    const summary = facts.find((fact) => fact.kind === 'summary');
    // An engine that was killed says no last word.
    expect(summary?.succeeded ?? null).toBe(succeeded);
  });

  test('a machine that is made has its id, its address and the seconds that it took', async () => {
    const made = (await factsOf('cancel')).filter((fact) => fact.kind === 'done');
    expect(made).toHaveLength(2);
    for (const fact of made)
      expect(fact).toMatchObject({
        instanceId: expect.stringMatching(/^i-/) as unknown,
        publicIp: expect.any(String) as unknown,
        seconds: 6,
      });
  });

  test('a refusal carries what the cloud said', async () => {
    const refused = (await factsOf('partial')).find((fact) => fact.kind === 'refused');
    expect(refused).toMatchObject({
      hostname: 'a-7',
      text: expect.stringContaining('VcpuLimitExceeded') as unknown,
    });
  });

  test('debug noise and the path of the plugin are not told', async () => {
    const told = (await factsOf('up-3')).filter((fact) => fact.kind === 'said');
    expect(told).toEqual([]);
  });

  test('nothing that a state holds crosses over: no inputs, no outputs of others', async () => {
    for (const name of ['up-3', 'partial', 'refresh', 'destroy'])
      expect(JSON.stringify(await factsOf(name))).not.toMatch(/instanceType|t3\.micro|ami-1/);
  });

  test.each([null, 7, 'x', {}, { resourcePreEvent: {} }, { diagnosticEvent: { message: 5 } }])(
    'an event that is none (%j) means nothing',
    (event) => expect(reduceEvent(noMemory, event, 0).facts).toEqual([]),
  );

  test('a line is bounded', () => {
    const event = { diagnosticEvent: { message: 'x'.repeat(100_000), severity: 'error' } };
    const [fact] = reduceEvent(noMemory, event, 0).facts;
    expect(fact).toMatchObject({ text: 'x'.repeat(FACT_TEXT_LIMIT) });
  });
});

describe('why the real engine failed', () => {
  test.each([
    ['partial', 'quota'],
    ['cancel', 'cancelled'],
    ['after-kill-locked', 'busy'],
    ['plugin-missing', 'engine'],
    ['program-error', 'program'],
    ['wrong-passphrase', 'credentials'],
  ])('%s is %s', async (name, kind) => {
    const failure = explainFailure(await saidBy(name));
    expect(failure.kind).toBe(kind);
    expect(failure.problem).toMatch(/^[A-Z].*\.$/);
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
  ])('“%s” is %s', (text, kind) => expect(explainFailure(text).kind).toBe(kind));

  test('something that exists already and is in no state is told as that', () => {
    const said = 'creating IAM Role (lab-test-1-machine): EntityAlreadyExists: Role already exists';
    expect(explainFailure(said).problem).toContain('a run was interrupted while it was made');
  });

  test('the last words are a line, without a stack, and bounded', () => {
    expect(lastWords('first\n  boom in program\n    at Object.program (/srv/app.ts:1:1)\n')).toBe(
      'boom in program.',
    );
    expect(lastWords('x'.repeat(1_000)).length).toBeLessThan(310);
  });
});

describe('the lock that a killed engine left', () => {
  const text = () => saidBy('after-kill-locked');
  const judgement = {
    host: 'here',
    now: new Date('2026-11-23T09:00:00Z'),
    alone: false,
    deadAfterMs: 3 * 3_600_000,
  };

  test('is told with process, host and time', async () => {
    expect(isLocked(await text())).toBe(true);
    expect(readLock(await text())).toEqual({
      host: 'host',
      pid: 17_124,
      since: new Date('2026-11-23T08:24:55Z'),
    });
    expect(readLock('no lock at all')).toBeNull();
  });

  test('is left over where its process is gone, or another one by now', async () => {
    const mine = { host: 'here', since: new Date() };
    expect(await isLeftOver({ ...mine, pid: 4_190_000 }, judgement)).toBe(true);
    // This process lives, and is no engine.
    expect(await isLeftOver({ ...mine, pid: process.pid }, judgement)).toBe(true);
  });

  test('of another computer is left over only where nobody else may use the state, or when it is very old', async () => {
    const lock = { host: 'elsewhere', pid: 1, since: new Date('2026-11-23T08:24:55Z') };
    expect(await isLeftOver(lock, judgement)).toBe(false);
    expect(await isLeftOver(lock, { ...judgement, alone: true })).toBe(true);
    expect(await isLeftOver(lock, { ...judgement, now: new Date('2026-11-23T12:00:00Z') })).toBe(true);
  });
});
