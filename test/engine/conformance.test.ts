// The engine that the tests run on, held against the recordings of the real one, case by case: the same events, calls of the
// CLI, results, exit statuses and leftovers.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCloud, type TestCloud } from '../support/cloud.ts';
import { motoIsThere } from '../support/moto.ts';
import { createLab, type DriveResult, type Event, type Lab } from './drive.ts';
import { expectedPhaseNames, inOurOrder, isDebug, phaseNames, phasesOf } from './order.ts';
import { normaliseCli, normaliseEvent, recordedCli, recordedEvents } from './recordings.ts';

const CASE_MS = 120_000;
/** Where a run is stopped, some answers still reach the program and others do not. */
const FINISHED = /^RegisterResource(Outputs)? RPC (prepared|finished)/;

/**
 * The events of a case.
 *
 * @param chance debug lines that came through or not by chance, because the run was stopped
 */
function expectEvents(name: string, events: readonly Event[], chance: RegExp | null = null): void {
  const recorded = recordedEvents(name);
  for (const [who, stream] of [['the real engine', recorded] as const, ['this engine', events] as const]) {
    const phased = phasesOf(stream);
    expect(phaseNames(phased), `${name}: the order of ${who}`).toEqual(expectedPhaseNames(phased));
    expectNumbers(stream);
  }
  const ours = inOurOrder(phasesOf(events)).map(normaliseEvent);
  expect(ours, `${name}: events`).toEqual(inOurOrder(phasesOf(recorded)).map(normaliseEvent));
  expect(debugLines(events, chance), `${name}: debug lines`).toEqual(debugLines(recorded, chance));
}

/** Numbers that cannot be equal are right by themselves: sequence, duration, how many steps were done before a failed one. */
function expectNumbers(events: readonly Event[]): void {
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, at) => at));
  for (const [at, event] of events.entries()) {
    const summary = event['summaryEvent'] as { durationSeconds: number } | undefined;
    if (summary) expect(summary.durationSeconds).toBeGreaterThanOrEqual(1);
    const failed = event['resOpFailedEvent'] as { steps: number } | undefined;
    if (failed) expect(failed.steps).toBe(stepsDone(events.slice(0, at)));
  }
}

/** The stack is done with when it is registered; providers are not counted. */
function stepsDone(events: readonly Event[]): number {
  const done = events.filter((event) => {
    const { metadata } = (event['resOutputsEvent'] ?? {}) as { metadata?: { type: string } };
    return metadata !== undefined && !metadata.type.startsWith('pulumi:');
  });
  return done.length + 1;
}

function debugLines(events: readonly Event[], chance: RegExp | null): string[] {
  const lines = events.filter(isDebug).map((event) => {
    const { diagnosticEvent } = normaliseEvent(event) as { diagnosticEvent: { message: string } };
    return diagnosticEvent.message;
  });
  return lines.filter((line) => chance?.test(line) !== true).sort();
}

function expectCli(name: string, { cli }: DriveResult): void {
  expect(cli.map(normaliseCli), `${name}: calls of the CLI`).toEqual(recordedCli(name).map(normaliseCli));
}

const names = async (cloud: TestCloud) => (await cloud.machines()).map(({ name }) => name);
const isStep = (event: Event, key: string, op: string, name: string) => {
  const { metadata } = (event[key] ?? {}) as { metadata?: { op: string; urn: string } };
  return metadata?.op === op && metadata.urn.endsWith(`::${name}`);
};
const begins = (name: string) => (event: Event) => isStep(event, 'resourcePreEvent', 'create', name);

describe.skipIf(!motoIsThere())('the engine double compared with recordings of the real engine', () => {
  let cloud: TestCloud;
  beforeAll(async () => {
    cloud = await startCloud();
  });
  afterAll(() => cloud[Symbol.asyncDispose]());

  describe('a stack that grows, shrinks and is destroyed', () => {
    let lab: Lab;
    beforeAll(async () => {
      lab = await createLab(cloud);
    });
    afterAll(() => lab[Symbol.asyncDispose]());

    test('up-3: an up on an empty stack creates three machines', { timeout: CASE_MS }, async () => {
      const run = await lab.run('up', ['a-1', 'a-2', 'a-3']);
      expectEvents('up-3', run.events);
      expectCli('up-3', run);
      expect(run.done?.summary).toMatchObject({
        kind: 'update',
        result: 'succeeded',
        resourceChanges: { create: 4 },
      });
      const made = await cloud.machines();
      expect(made.map(({ name }) => name)).toEqual(['a-1', 'a-2', 'a-3']);
      for (const { name, publicIp } of made)
        expect(run.done?.outputs?.[name]).toEqual({ value: publicIp, secret: false });
      expect(await lab.locks()).toEqual([]);
    });

    test(
      'grow-to-5: an up with two more machines does not change the others',
      { timeout: CASE_MS },
      async () => {
        const before = await cloud.machines();
        const run = await lab.run('up', ['a-1', 'a-2', 'a-3', 'a-4', 'a-5']);
        expectEvents('grow-to-5', run.events);
        expectCli('grow-to-5', run);
        expect((await cloud.machines()).slice(0, 3)).toEqual(before);
        expect(await names(cloud)).toEqual(['a-1', 'a-2', 'a-3', 'a-4', 'a-5']);
      },
    );

    test(
      'partial: a run with one rejected machine creates the others and fails',
      { timeout: CASE_MS },
      async () => {
        cloud.faults.reject('a-7', 'VcpuLimitExceeded');
        const wanted = ['a-1', 'a-2', 'a-3', 'a-4', 'a-5', 'a-6', 'a-7', 'a-8'];
        const run = await lab.run('up', wanted, { env: { LABLINK_ENGINE_SEED: '7' } });
        cloud.faults.reset();
        expectEvents('partial', run.events, FINISHED);
        expectCli('partial', run);
        expect(run.failed).toMatchObject({ name: 'CommandError' });
        expect(await names(cloud)).toEqual(['a-1', 'a-2', 'a-3', 'a-4', 'a-5', 'a-6', 'a-8']);
        expect(lab.stateFile().pending_operations).toEqual([]);
        expect(await lab.locks()).toEqual([]);
      },
    );

    test('refresh: a refresh of an unchanged stack changes nothing', { timeout: CASE_MS }, async () => {
      const run = await lab.run('refresh', []);
      expectEvents('refresh', run.events);
      expectCli('refresh', run);
    });

    test(
      'remove-one: an up deletes machines that the program no longer has',
      { timeout: CASE_MS },
      async () => {
        const run = await lab.run('up', ['a-1', 'a-2', 'a-3', 'a-4']);
        expectEvents('remove-one', run.events);
        expectCli('remove-one', run);
        expect(await names(cloud)).toEqual(['a-1', 'a-2', 'a-3', 'a-4']);
      },
    );

    test('destroy: a destroy deletes everything', { timeout: CASE_MS }, async () => {
      const run = await lab.run('destroy', []);
      expectEvents('destroy', run.events);
      expectCli('destroy', run);
      expect(await cloud.machines()).toEqual([]);
      expect(lab.stateFile().resources).toEqual([]);
    });

    test('destroy-empty: a second destroy succeeds', { timeout: CASE_MS }, async () => {
      const run = await lab.run('destroy', []);
      expectEvents('destroy-empty', run.events);
      expectCli('destroy-empty', run);
    });
  });

  describe('a stack whose engine is interrupted', () => {
    let lab: Lab;
    beforeAll(async () => {
      lab = await createLab(cloud);
    });
    afterAll(() => lab[Symbol.asyncDispose]());

    test(
      'cancel: a cancelled run finishes and keeps the creates that it has started',
      { timeout: CASE_MS },
      async () => {
        cloud.faults.hold();
        const run = await lab.drive('up', ['b-1', 'b-2']);
        await run.sees('b-1 is being made', begins('b-1'));
        await run.sees('b-2 is being made', begins('b-2'));
        run.abort();
        await run.sees('that it heard the signal', (event) => 'stdoutEvent' in event);
        cloud.faults.release();
        const ended = await run.ended;
        expectEvents('cancel', ended.events, FINISHED);
        expectCli('cancel', ended);
        expect(ended.failed).toMatchObject({ name: 'CommandError' });
        expect(await names(cloud)).toEqual(['b-1', 'b-2']);
        expect(lab.stateFile().pending_operations).toEqual([]);
        expect(await lab.locks()).toEqual([]);
      },
    );

    test('after-cancel: the run after a cancelled one keeps its machines', { timeout: CASE_MS }, async () => {
      const run = await lab.run('up', ['b-1', 'b-2']);
      expectEvents('after-cancel', run.events);
      expectCli('after-cancel', run);
      expect(await names(cloud)).toEqual(['b-1', 'b-2']);
    });

    test(
      'engine-killed: a killed engine leaves a running machine, a lock and a pending operation',
      { timeout: CASE_MS },
      async () => {
        cloud.faults.hold('b-3');
        const run = await lab.drive('up', ['b-1', 'b-2', 'b-3']);
        await run.sees('b-3 is being made', begins('b-3'));
        await expect.poll(() => names(cloud), { timeout: CASE_MS }).toContain('b-3');
        const kept = recordedEvents('engine-killed').filter((event) => !isDebug(event)).length;
        const told = () => run.events.filter((event) => !isDebug(event)).length;
        await expect.poll(told, { timeout: CASE_MS }).toBe(kept);
        process.kill(run.enginePid(), 'SIGKILL');
        const ended = await run.ended;
        cloud.faults.release();
        expectEvents('engine-killed', ended.events, FINISHED);
        expectCli('engine-killed', ended);
        expect(await lab.locks()).toHaveLength(1);
        expect(lab.stateFile().pending_operations).toMatchObject([
          { type: 'creating', resource: { urn: 'urn:pulumi:dev::lablink::aws:ec2/instance:Instance::b-3' } },
        ]);
      },
    );

    test(
      'after-kill-locked: the run after a killed one is rejected by the lock',
      { timeout: CASE_MS },
      async () => {
        const run = await lab.run('up', ['b-1', 'b-2', 'b-3']);
        expect(run.events).toEqual([]);
        expectCli('after-kill-locked', run);
        expect(run.failed).toMatchObject({ name: 'ConcurrentUpdateError' });
        expect(await lab.locks()).toHaveLength(1);
      },
    );

    test('cancel-stale-lock: `pulumi cancel` removes the lock', { timeout: CASE_MS }, async () => {
      const run = await lab.run('cancel', []);
      expectCli('cancel-stale-lock', run);
      expect(await lab.locks()).toEqual([]);
    });

    test(
      'pending-operations: an up creates a machine with a pending create again, with a warning',
      { timeout: CASE_MS },
      async () => {
        const run = await lab.run('up', ['b-1', 'b-2', 'b-3']);
        expectEvents('pending-operations', run.events);
        expectCli('pending-operations', run);
        expect(await names(cloud)).toEqual(['b-1', 'b-2', 'b-3', 'b-3']);
        // It stays until somebody says that it is to be cleared.
        expect(lab.stateFile().pending_operations).toMatchObject([{ type: 'creating' }]);
      },
    );

    test(
      'refresh-clear-pending: a refresh forgets the pending create, and its machine keeps running',
      { timeout: CASE_MS },
      async () => {
        const run = await lab.run('refresh', [], { clearPendingCreates: true });
        expectEvents('refresh-clear-pending', run.events);
        expectCli('refresh-clear-pending', run);
        expect(lab.stateFile().pending_operations).toEqual([]);
        expect(await names(cloud)).toEqual(['b-1', 'b-2', 'b-3', 'b-3']);
        expect(lab.stateFile().resources.filter(({ urn }) => urn.endsWith('::b-3'))).toHaveLength(1);
      },
    );

    test(
      'program-error: a failing program deletes nothing and keeps the outputs',
      { timeout: CASE_MS },
      async () => {
        await lab.run('up', ['b-1', 'b-2', 'b-3', 'b-4']);
        const run = await lab.run('up', { machines: [], throws: 'boom in program' });
        expectEvents('program-error', run.events);
        expectCli('program-error', run);
        expect(run.failed).toMatchObject({ name: 'CommandError' });
        expect(await names(cloud)).toEqual(['b-1', 'b-2', 'b-3', 'b-3', 'b-4']);
      },
    );

    test(
      'wrong-passphrase: a state with a secret is not opened with a wrong passphrase',
      { timeout: CASE_MS },
      async () => {
        await lab.run('up', { machines: [], secrets: { word: 'abracadabra' } });
        const run = await lab.run('up', [], { env: { PULUMI_CONFIG_PASSPHRASE: 'y' } });
        expect(run.events).toEqual([]);
        expectCli('wrong-passphrase', run);
        expect(run.failed).toMatchObject({ name: 'CommandError' });
        expect(await lab.locks()).toEqual([]);
      },
    );
  });

  test(
    'plugin-missing: a run without the plugin fails at the provider and names the plugin',
    { timeout: CASE_MS },
    async () => {
      await using lab = await createLab(cloud);
      const { PATH } = cloud.envWithoutPlugin;
      const run = await lab.run('up', ['c-1'], { env: { PATH: PATH ?? '' } });
      expectEvents('plugin-missing', run.events, /name=c-1/);
      expectCli('plugin-missing', run);
      expect(run.failed).toMatchObject({ name: 'CommandError' });
    },
  );
});
