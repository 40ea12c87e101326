// An admin launches 50 machines on AWS, with the doubles of engine and cloud. Measures the time from the click to the first
// line of the page and to the first event of the engine, in Chromium, and the allocator's memory before and after.
// AWS_PICTURES names a folder for pictures of the page: at the first event, in the middle, at the end.
import { mkdir, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { configText, serverEnv } from '../test/support/aws-config.ts';
import { startCloud } from '../test/support/cloud.ts';
import { testEngine } from '../test/support/engine.ts';
import { atMost, notMeasured, type Bench, type Measurement, type Row } from './measurement.ts';
import { median } from './statistics.ts';
import { acquireAllocator, type Allocator } from './support/allocator.ts';
import { findChromium } from '../test/support/chromium.ts';
import { acquireBrowser } from './support/browser.ts';
import { acquireFolder } from './support/folder.ts';
import { settledKib } from './support/memory.ts';

const MACHINES = 50;
/** The size of the first launch, which also compiles the engine's modules and is therefore reported separately. */
const WARM_MACHINES = 2;
const MOTO = join(import.meta.dirname, '../.cache/python/moto/bin/moto_server');
const PASSWORD = 'a password for the bench';
const RUNS = 3;
const LIMIT_MS = 240_000;
const MEMORY_LIMIT_MS = 15_000;
const FIRST_LINE_GOAL_MS = 300;
const FIRST_EVENT_GOAL_MS = 2_500;
const MIB_IN_KIB = 1_024;
const MEMORY_GOAL_MIB = 10;

type Launched = {
  readonly lineMs: number;
  /** Until the first event of the engine: a shared resource is being created. */
  readonly eventMs: number;
  /** Until the first machine is being created. */
  readonly machineMs: number;
  readonly seconds: number;
};

export const aws: Measurement = {
  name: 'aws',
  about: `a launch of ${MACHINES} machines on AWS, in Chromium, on the doubles of engine and cloud`,
  limitSeconds: 600,
  run: async (bench) => {
    const executable = findChromium();
    if (executable === null)
      return [
        notMeasured(
          'Launch on AWS',
          'Install Chromium (`apt-get install chromium`), or name one in CHROMIUM.',
        ),
      ];
    if (!existsSync(MOTO))
      return [notMeasured('Launch on AWS', 'Run `make python`, which brings the EC2 emulator.')];
    const allocator = await acquireAwsAllocator(bench);
    const browser = await acquireBrowser(bench.lifecycle, executable);
    const context = await browser.newContext({
      httpCredentials: { username: 'admin', password: PASSWORD },
      viewport: { width: 1280, height: 900 },
    });
    context.setDefaultTimeout(LIMIT_MS);
    return measure(bench, allocator, context);
  },
};

async function acquireAwsAllocator({ lifecycle }: Bench): Promise<Allocator> {
  const cloud = await lifecycle.acquire(
    'the emulator of EC2',
    () => startCloud(),
    async (started) => {
      await started[Symbol.asyncDispose]();
    },
  );
  const folder = await acquireFolder(lifecycle);
  const config = join(folder.path, 'config');
  await mkdir(config);
  await writeFile(join(config, 'config.yaml'), configText(cloud));
  return acquireAllocator(lifecycle, folder, {
    ...cloud.env,
    ...testEngine().env,
    ...serverEnv(),
    CONFIG_DIR: config,
    ADMIN_PASSWORD: PASSWORD,
    // The machines of the emulator send no reports.
    LAUNCH_CANARY: '0',
  });
}

async function measure(
  { say }: Bench,
  allocator: Allocator,
  context: BrowserContext,
): Promise<readonly Row[]> {
  const base = `http://127.0.0.1:${allocator.port}`;
  const first = await launch(context, base, WARM_MACHINES, null);
  say(`first launch of all: first event after ${first.eventMs.toFixed(0)} ms`);
  await destroy(context, base);
  const launches: Launched[] = [];
  const runs = async (count: number): Promise<number> => {
    for (let run = 0; run < count; run += 1) {
      launches.push(await launch(context, base, MACHINES, null));
      say(`${MACHINES} machines in ${launches.at(-1)?.seconds.toFixed(1)} s`);
      await destroy(context, base);
    }
    return settledKib(allocator.pid, MEMORY_LIMIT_MS);
  };
  // The first runs allocate what any run of this size needs. Growth in the next ones would repeat with every run.
  const before = await runs(RUNS);
  const after = await runs(RUNS);
  const pictures = process.env['AWS_PICTURES'];
  if (pictures !== undefined) await launch(context, base, MACHINES, pictures);
  return rowsOf(first, launches, { before, after });
}

/** Records when the page receives the click, because the driver runs checks before it clicks. Survives the navigation. */
const NOTE_CLICK = `addEventListener('click', () => { sessionStorage.clickedAt = Date.now(); }, true)`;

/** Clicks `Launch`, and measures when its output appears on the page. */
async function launch(
  context: BrowserContext,
  base: string,
  machines: number,
  pictures: string | null,
): Promise<Launched> {
  const page = await context.newPage();
  await page.goto(`${base}/admin/create`);
  await page.getByLabel('Number of machines').fill(String(machines));
  await page.evaluate(NOTE_CLICK);
  // Not awaited: the navigation is part of the measured time.
  const click = page.getByRole('button', { name: 'Launch' }).click({ noWaitAfter: true });
  const output = page.getByRole('log').locator('li');
  await output.first().waitFor();
  const lineAt = Date.now();
  await output
    .filter({ hasText: /: created\.|Creating the machine\./ })
    .first()
    .waitFor();
  const eventAt = Date.now();
  await output.filter({ hasText: 'Creating the machine.' }).first().waitFor();
  const machineAt = Date.now();
  const clickedAt = await page.evaluate<number>('Number(sessionStorage.clickedAt)');
  await click;
  await picture(page, pictures, 'aws-launch-first-event');
  if (pictures !== null) {
    await page.getByText(new RegExp(`^[123]\\d / ${machines}`)).waitFor();
    await picture(page, pictures, 'aws-launch');
  }
  await page.getByText(`${machines} machines were created.`).waitFor();
  const seconds = (Date.now() - clickedAt) / 1_000;
  await picture(page, pictures, 'aws-launch-done');
  await page.close();
  return {
    lineMs: lineAt - clickedAt,
    eventMs: eventAt - clickedAt,
    machineMs: machineAt - clickedAt,
    seconds,
  };
}

async function picture(page: Page, folder: string | null, name: string): Promise<void> {
  if (folder === null) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

async function destroy(context: BrowserContext, base: string): Promise<void> {
  const { request } = context;
  const answer = await request.post(`${base}/destroy`, { headers: { accept: 'application/json' } });
  const { id } = (await answer.json()) as { readonly id: string };
  for (;;) {
    const response = await request.get(`${base}/api/v1/operations/${id}`);
    const { status } = (await response.json()) as { readonly status: string };
    if (status === 'succeeded') return;
    if (status !== 'queued' && status !== 'running') throw new Error(`The destroy ${status}.`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function rowsOf(
  first: Launched,
  launches: readonly Launched[],
  { before, after }: { readonly before: number; readonly after: number },
): readonly Row[] {
  const lineMs = median(launches.map((launched) => launched.lineMs));
  const eventMs = median(launches.map((launched) => launched.eventMs));
  const machineMs = median(launches.map((launched) => launched.machineMs));
  const grownMib = (after - before) / MIB_IN_KIB;
  const seconds = median(launches.map((launched) => launched.seconds));
  return [
    {
      what: 'Launch on AWS: click to the first line of the page',
      measured: `${lineMs.toFixed(0)} ms`,
      goal: `< ${FIRST_LINE_GOAL_MS} ms`,
      verdict: atMost(lineMs, FIRST_LINE_GOAL_MS),
      remark: `median of ${launches.length}; the first launch of all ${first.lineMs.toFixed(0)} ms`,
    },
    {
      what: 'Launch on AWS: click to the first event of the engine',
      measured: `${(eventMs / 1_000).toFixed(2)} s`,
      goal: `< ${FIRST_EVENT_GOAL_MS / 1_000} s`,
      verdict: atMost(eventMs, FIRST_EVENT_GOAL_MS),
      remark: `median of ${launches.length}; the first launch of all ${(first.eventMs / 1_000).toFixed(2)} s: Node compiles the engine's modules`,
    },
    {
      what: 'Launch on AWS: click to the first machine that is being created',
      measured: `${(machineMs / 1_000).toFixed(2)} s`,
      goal: '',
      verdict: '',
      remark: 'after the resources that it needs: security group, key pair, role and profile',
    },
    {
      what: `${MACHINES} machines on the emulator: click to all created`,
      measured: `${seconds.toFixed(1)} s`,
      goal: '',
      verdict: '',
      remark: 'doubles of engine and cloud, EC2 by moto on the same processors',
    },
    {
      what: 'Memory of the allocator, grown by two more runs of it',
      measured: `${grownMib.toFixed(1)} MiB`,
      goal: `< ${MEMORY_GOAL_MIB} MiB`,
      verdict: atMost(grownMib, MEMORY_GOAL_MIB),
      remark: `${(before / MIB_IN_KIB).toFixed(0)} MiB before, ${(after / MIB_IN_KIB).toFixed(0)} MiB after; only the child process loads Pulumi`,
    },
  ];
}
