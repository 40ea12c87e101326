// The time and the memory of a backup and of its restore, for a lab with full logs. VMS=1000 measures the whole of the goal, which
// takes a while to fill; without it a tenth of that is measured, and held against a tenth of the time.
import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import type { Lifecycle } from '../src/lifecycle.ts';
import { atMost, type Measurement, type Row } from './measurement.ts';
import { acquireAllocator } from './support/allocator.ts';
import { endChild, ending } from './support/child.ts';
import { acquireFolder } from './support/folder.ts';
import { residentKib } from './support/memory.ts';

const DEFAULT_VMS = 100;
const WHOLE_VMS = 1_000;
/** MAX_LOG_BYTES_PER_VM, as it is counted. */
const LOG_BYTES = 5 * 1024 * 1024;
const BYTES_PER_LINE = 64;
const LINE_CHARACTERS = 100;
/** As in logs.ts. */
const LINES_PER_BATCH = 50;
const WHOLE_SECONDS = 60;
const GOAL_MIB = 300;
const SAMPLE_MS = 200;
const GRACE_MS = 40_000;
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

export const backup: Measurement = {
  name: 'backup',
  about: 'a backup and its restore, of VMs with 5 MB of logs each (VMS=1000 for the whole)',
  limitSeconds: 3_000,
  run: async ({ lifecycle, say }) => {
    const vms = Number(process.env['VMS'] ?? DEFAULT_VMS);
    const folder = await acquireFolder(lifecycle);
    const { connectionString } = await acquireAllocator(lifecycle, folder);
    say(`  filling the logs of ${vms} VMs`);
    await fill(connectionString, vms);
    const file = join(folder.path, 'bench.tar.zst.age');
    const made = await run(lifecycle, ['backup', file], folder.dataDir);
    const { size } = await stat(file);
    const restoredDir = join(folder.path, 'restored');
    const restored = await run(lifecycle, ['restore', file], restoredDir);
    const remark = `${vms} VMs, ${Math.round((vms * LOG_BYTES) / 1e6)} MB of logs as counted, ${Math.round(size / 1e6)} MB of backup`;
    return [...rowsOf('backup', made, vms, remark), ...rowsOf('restore', restored, vms, remark)];
  },
};

type Measured = { readonly seconds: number; readonly peakMib: number };

function rowsOf(what: string, { seconds, peakMib }: Measured, vms: number, remark: string): Row[] {
  const goal = Math.max(1, (WHOLE_SECONDS * vms) / WHOLE_VMS);
  return [
    {
      what: `${what}: time`,
      measured: `${seconds.toFixed(1)} s`,
      goal: `${goal} s`,
      verdict: atMost(seconds, goal),
      remark,
    },
    {
      what: `${what}: memory of the program at most`,
      measured: `${Math.round(peakMib)} MiB`,
      goal: `${GOAL_MIB} MiB`,
      verdict: atMost(peakMib, GOAL_MIB),
      remark: 'without Postgres',
    },
  ];
}

/** Lines as programs write them: each differs, and shrinks to a part of it. They come as agents send them, a batch of each VM in turn. */
async function fill(connectionString: string, vms: number): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    await client.query('truncate vms cascade');
    await client.query(
      `insert into vms (hostname, provider, status)
       select 'lablink-vm-bench-' || n, 'external', 'running' from generate_series(1, $1) as n`,
      [vms],
    );
    const lines = Math.floor(LOG_BYTES / (BYTES_PER_LINE + LINE_CHARACTERS));
    for (let first = 1; first <= lines; first += LINES_PER_BATCH)
      await client.query(
        `insert into vm_logs (hostname, line)
         select hostname, rpad(format('2026-01-31T12:%s:%sZ INFO epoch %s step %s loss=%s ', n % 60, n % 59, n / 500, n, random()), $3, md5(n::text))
         from vms, generate_series($1::int, $2::int) as n order by hashtext(hostname || $1::int), hostname, n`,
        [first, Math.min(lines, first + LINES_PER_BATCH - 1), LINE_CHARACTERS],
      );
    await client.query('checkpoint');
  } finally {
    await client.end();
  }
}

/** A command of the program, as a person runs it. */
async function run(lifecycle: Lifecycle, args: readonly string[], dataDir: string): Promise<Measured> {
  const startedMs = performance.now();
  const child = await lifecycle.acquire(
    'command',
    () =>
      spawn(process.execPath, [MAIN, ...args], {
        env: {
          ...process.env,
          DATA_DIR: dataDir,
          BACKUP_PASSPHRASE: 'five random words of mine',
          LOG_LEVEL: 'warn',
        },
        stdio: ['ignore', 'ignore', 'inherit'],
      }),
    (opened, { force }) => endChild(opened, { signal: 'SIGTERM', graceMs: GRACE_MS, force }),
  );
  let peakKib = 0;
  const sampling = setInterval(() => {
    residentKib(child.pid ?? 0).then(
      (kib) => (peakKib = Math.max(peakKib, kib)),
      () => undefined,
    );
  }, SAMPLE_MS);
  await ending(child);
  clearInterval(sampling);
  if (child.exitCode !== 0) throw new Error(`lablink ${args.join(' ')} failed`);
  return { seconds: (performance.now() - startedMs) / 1_000, peakMib: peakKib / 1_024 };
}
