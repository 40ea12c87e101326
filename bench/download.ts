// The download of all machines' files as one zip, compared with the same by hand: `ssh … tar` from all machines in parallel,
// then `zip -0`. Both write the zip to the same disk. DOWNLOAD_MB is the size of the files on each machine.
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { startSshd, SSHD, type Sshd } from '../test/support/sshd.ts';
import { atLeast, atMost, notMeasured, type Bench, type Measurement, type Row } from './measurement.ts';
import { median } from './statistics.ts';
import { acquireAllocator, type Allocator } from './support/allocator.ts';
import { acquireFolder, type Folder } from './support/folder.ts';

const run = promisify(execFile);
const MAIN = join(import.meta.dirname, '../src/main.ts');

const VMS = 20;
const MEGABYTES = Number(process.env['DOWNLOAD_MB'] ?? '50');
const TURNS = MEGABYTES > 100 ? 1 : 3;
const MEGABYTE = 1_000_000;
const GOAL_RATIO = 0.7;
const GOAL_MB = 300;
const ADMIN_PASSWORD = 'of the measurement';

export const download: Measurement = {
  name: 'download',
  about: `a zip of ${VMS} VMs × ${MEGABYTES} MB, compared with ssh, tar and zip -0`,
  limitSeconds: 1_200,
  run: async (bench) => {
    if (SSHD === undefined) return [notMeasured('Download', 'Install openssh-server.')];
    const folder = await acquireFolder(bench.lifecycle);
    const allocator = await acquireAllocator(bench.lifecycle, folder, {
      ADMIN_PASSWORD,
      DOWNLOAD_EXTENSIONS: 'slp',
      DOWNLOAD_FOLDER: join(folder.path, 'Desktop'),
    });
    const machines = await acquireMachines(bench, folder);
    await register(allocator, machines);
    const turns: { readonly ours: number; readonly byHand: number }[] = [];
    for (let turn = 1; turn <= TURNS; turn++) {
      const byHand = await takeByHand(folder, machines);
      const ours = await takeOurs(folder, allocator);
      bench.say(`turn ${turn}: ${ours.toFixed(1)} s, by hand ${byHand.toFixed(1)} s`);
      turns.push({ ours, byHand });
    }
    return rowsOf(turns, await peakMegabytes(allocator.pid));
  },
};

/** All machines share one folder with one file, since only the transfer is measured. */
async function acquireMachines({ lifecycle }: Bench, folder: Folder): Promise<readonly Sshd[]> {
  const desktop = join(folder.path, 'Desktop');
  await mkdir(desktop);
  const pieces = Array.from({ length: MEGABYTES }, () => randomBytes(MEGABYTE));
  await writeFile(join(desktop, 'labels.slp'), Buffer.concat(pieces));
  const authorizedKey = (await readFile(join(folder.dataDir, 'ssh', 'id_ed25519.pub'), 'utf8')).trim();
  const machines: Sshd[] = [];
  for (let number = 1; number <= VMS; number++)
    machines.push(
      await lifecycle.acquire(
        `sshd ${number}`,
        () => startSshd({ authorizedKey }),
        async (sshd) => {
          await sshd[Symbol.asyncDispose]();
        },
      ),
    );
  return machines;
}

async function register({ connectionString }: Allocator, machines: readonly Sshd[]): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  for (const [at, { port, user, hostKey }] of machines.entries())
    await client.query(
      `insert into vms (hostname, provider, status, address, ssh_port, ssh_user, ssh_host_key)
       values ($1, 'external', 'running', '127.0.0.1', $2, $3, $4)`,
      [`lablink-vm-bench-${at + 1}`, port, user, hostKey],
    );
  await client.end();
}

async function takeOurs({ path }: Folder, { port }: Allocator): Promise<number> {
  const zip = join(path, 'ours.zip');
  const startedMs = performance.now();
  const url = `http://127.0.0.1:${port}/api/scp-client`;
  await run('curl', ['-sS', '--fail', '-u', `admin:${ADMIN_PASSWORD}`, '-o', zip, url]);
  const seconds = (performance.now() - startedMs) / 1_000;
  await expectWhole(zip);
  return seconds;
}

async function takeByHand(folder: Folder, machines: readonly Sshd[]): Promise<number> {
  const target = join(folder.path, 'by-hand');
  await rm(target, { recursive: true, force: true });
  const key = await openKey(folder);
  const startedMs = performance.now();
  await Promise.all(
    machines.map(async ({ port, user }, at) => {
      const own = join(target, `lablink-vm-bench-${at + 1}`);
      await mkdir(own, { recursive: true });
      const options =
        '-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes';
      const desktop = join(folder.path, 'Desktop');
      await shell(
        `ssh -i '${key}' ${options} -p ${port} ${user}@127.0.0.1 "tar -C '${desktop}' -cf - ." | tar -C '${own}' -xf -`,
      );
    }),
  );
  const zip = join(folder.path, 'by-hand.zip');
  await rm(zip, { force: true });
  await shell(`cd '${target}' && zip -q -0 -r '${zip}' .`);
  const seconds = (performance.now() - startedMs) / 1_000;
  await expectWhole(zip);
  await rm(target, { recursive: true });
  return seconds;
}

/** Gets the SSH key as an admin would. */
async function openKey({ path, dataDir }: Folder): Promise<string> {
  const key = join(path, 'id_ed25519');
  const { stdout } = await run(process.execPath, [MAIN, 'ssh-key'], {
    env: { PATH: process.env['PATH'], DATA_DIR: dataDir },
  });
  await writeFile(key, stdout, { mode: 0o600 });
  return key;
}

function shell(line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-o', 'pipefail', '-c', line], { stdio: ['ignore', 'ignore', 'inherit'] });
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${line}: ${code}`))));
  });
}

async function expectWhole(zip: string): Promise<void> {
  const { size } = await stat(zip);
  if (size < VMS * MEGABYTES * MEGABYTE) throw new Error(`${zip} has ${size} bytes: something is missing.`);
}

/** The peak resident memory of the process. */
async function peakMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return (Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1_024) / MEGABYTE;
}

function rowsOf(
  turns: readonly { readonly ours: number; readonly byHand: number }[],
  peak: number,
): readonly Row[] {
  const ratio = median(turns.map(({ ours, byHand }) => byHand / ours));
  const rate = (seconds: number): string => `${((VMS * MEGABYTES) / seconds).toFixed(0)} MB/s`;
  const ours = rate(median(turns.map((turn) => turn.ours)));
  const byHand = rate(median(turns.map((turn) => turn.byHand)));
  const what = `${VMS} VMs × ${MEGABYTES} MB`;
  return [
    {
      what: `Download of ${what} / ssh, tar and zip -0`,
      measured: ratio.toFixed(2),
      goal: `>= ${GOAL_RATIO}`,
      verdict: atLeast(ratio, GOAL_RATIO),
      remark: `${ours} / ${byHand}, both onto this disk; OpenSSH servers on loopback; median of ${TURNS}`,
    },
    {
      what: `Peak memory of the allocator meanwhile`,
      measured: `${peak.toFixed(0)} MB`,
      goal: `< ${GOAL_MB} MB`,
      verdict: atMost(peak, GOAL_MB),
      remark: 'Resident, since its start',
    },
  ];
}
