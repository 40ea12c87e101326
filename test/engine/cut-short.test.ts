// Locks and states that were cut short, held against the recordings of the real engine.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCloud, type TestCloud } from '../support/cloud.ts';
import { motoIsThere } from '../support/moto.ts';
import { createLab } from './drive.ts';
import type { CliRun } from './record-cli.ts';
import { normaliseCli, recordedCli } from './recordings.ts';

const CASE_MS = 120_000;

describe.skipIf(!motoIsThere())('a state or a lock that was cut short', () => {
  let cloud: TestCloud;
  beforeAll(async () => {
    cloud = await startCloud();
  });
  afterAll(() => cloud[Symbol.asyncDispose]());

  const stacks = '.pulumi/stacks/lablink/dev.json';
  const locks = '.pulumi/locks/organization/lablink/dev';

  /** Statuses and texts of the recorded commands, which the API called without its own flags. */
  const answers = (runs: readonly CliRun[]) =>
    runs
      .filter(({ argv }) => argv[0] !== 'version' && !['select', 'init', 'history'].includes(argv[1] ?? ''))
      .map((run) => {
        const { stdout, stderr, rc } = normaliseCli(run) as CliRun;
        return { command: run.argv[0], stdout, stderr, rc };
      });

  test.each([
    ['torn-lock', `${locks}/x.json`],
    ['torn-lock-tmp', `${locks}/x.json.123.tmp`],
  ])(
    '%s: an empty lock file fails every run until it is removed',
    { timeout: CASE_MS },
    async (name, file) => {
      await using lab = await createLab(cloud);
      await lab.run('export', []);
      await mkdir(join(lab.state, locks), { recursive: true });
      await writeFile(join(lab.state, file), '');
      const cli: CliRun[] = [];
      for (const action of ['destroy', 'refresh', 'cancel', 'destroy'] as const)
        cli.push(...(await lab.run(action, [])).cli);
      const recorded = recordedCli(name).filter(({ argv }) => argv[1] !== 'export');
      expect(answers(cli)).toEqual(answers(recorded));
      expect(await lab.locks()).toEqual([]);
    },
  );

  test.each([
    ['torn-checkpoint', (text: string) => text.slice(0, text.length / 2)],
    ['empty-checkpoint', () => ''],
  ])(
    '%s: a state that was cut short can be selected, but neither exported nor destroyed',
    { timeout: CASE_MS },
    async (name, cut) => {
      await using lab = await createLab(cloud);
      await lab.run('up', []);
      const file = join(lab.state, stacks);
      await writeFile(file, cut(await readFile(file, 'utf8')));
      const cli: CliRun[] = [];
      for (const action of ['export', 'destroy', 'cancel'] as const)
        cli.push(...(await lab.run(action, [])).cli);
      expect(answers(cli)).toEqual(answers(recordedCli(name)));
      expect(await readdir(dirname(file))).toContain('dev.json.bak');
    },
  );
});
