// A machine at its first boot: the user data as the program makes it, unpacked as cloud-init does, run by bash in a folder
// that stands for the machine's root. On its PATH are this machine's plain tools, and stand-ins for what would change it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { ClientVmsSpec, MachineSpec } from '../../infra/spec.ts';
import { userData } from '../../infra/user-data.ts';
import { fleetSpec, machineSpec } from './fixture.ts';

/** All that the boot script takes from the machine's image as it is. */
const TOOLS = (
  'base64 bash cat chmod curl cut date dirname env find grep gunzip gzip ln mkdir mv rm sed setsid sha256sum sleep ' +
  'tail tee test touch tr uname basename'
).split(' ');
const STAND_INS = { docker: 'docker', systemctl: 'systemctl', dpkg: 'other', git: 'other' } as const;
const PLACES = ['/usr/bin', '/bin', '/usr/local/bin'];

export type BootedMachine = AsyncDisposable & {
  /** Stands for `/`. */
  readonly root: string;
  /** What the container sees as `/`. */
  readonly rootfs: string;
  /** Makes a file that tells stand-ins what goes wrong; see there. */
  set(name: string, content?: string): Promise<void>;
  /** Runs the boot script to its end. */
  boot(spec: Partial<ClientVmsSpec>, machine: Partial<MachineSpec>, environment?: Environment): Promise<Boot>;
  /** A command that lies on the machine, run as over SSH. */
  run(program: string, args: readonly string[]): Promise<Boot>;
  /** The calls of stand-ins so far, one per line. */
  calls(): Promise<string[]>;
  read(path: string): Promise<string>;
};

type Environment = Readonly<Record<string, string>>;

type Boot = { readonly code: number | null; readonly output: string };

export async function createBareMachine(
  options: { readonly hasDriver?: boolean } = {},
): Promise<BootedMachine> {
  const home = await mkdtemp(join(tmpdir(), 'lablink-boot-'));
  const at = (...parts: string[]) => join(home, ...parts);
  for (const folder of ['bin', 'root', 'stand-in/control', 'stand-in/rootfs'])
    await mkdir(at(folder), { recursive: true });
  for (const tool of TOOLS) await symlink(placeOf(tool), at('bin', tool));
  for (const [name, source] of Object.entries(STAND_INS)) await putStandIn(source, at('bin', name));
  if (options.hasDriver !== false) await putStandIn('other', at('bin', 'nvidia-smi'));
  const cloudwatch = 'root/opt/aws/amazon-cloudwatch-agent/bin';
  await mkdir(at(cloudwatch), { recursive: true });
  await putStandIn('other', at(cloudwatch, 'amazon-cloudwatch-agent-ctl'));
  const environment = {
    PATH: at('bin'),
    STAND_IN: at('stand-in'),
    LABLINK_ROOT: at('root'),
    LABLINK_PAUSE: '0',
    LABLINK_RETRY_SECONDS: '20',
  };
  return {
    root: at('root'),
    rootfs: at('stand-in/rootfs'),
    set: (name, content = '') => writeFile(at('stand-in/control', name), content),
    async boot(spec, machine, more = {}) {
      const data = userData(fleetSpec(spec), machineSpec(1, machine));
      if (!data.ok) throw new Error(data.message);
      await writeFile(at('user-data'), gunzipSync(Buffer.from(data.base64, 'base64')));
      return run(placeOf('bash'), [at('user-data')], { ...environment, ...more });
    },
    run: (program, args) => run(program, args, environment),
    calls: async () => (await readFile(at('stand-in/calls'), 'utf8')).split('\n').slice(0, -1),
    read: (path) => readFile(at(path), 'utf8'),
    async [Symbol.asyncDispose]() {
      const agent = await readFile(at('stand-in/agent.pid'), 'utf8').catch(() => null);
      if (agent !== null) await end(Number(agent));
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function placeOf(tool: string): string {
  const place = PLACES.map((folder) => join(folder, tool)).find((path) => existsSync(path));
  if (place === undefined) throw new Error(`this machine has no ${tool}`);
  return place;
}

async function putStandIn(name: string, path: string): Promise<void> {
  await copyFile(fileURLToPath(new URL(`stand-ins/${name}.sh`, import.meta.url)), path);
  await chmod(path, 0o755);
}

async function run(program: string, args: readonly string[], env: Environment): Promise<Boot> {
  const child = spawn(program, args, { env, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child, 'close');
  return { code: child.exitCode, output };
}

/** The agent that a boot has left running, and waits until it is gone. */
async function end(pid: number): Promise<void> {
  const isThere = (signal: NodeJS.Signals | 0): boolean => {
    try {
      return process.kill(pid, signal);
    } catch {
      return false;
    }
  };
  isThere('SIGKILL');
  while (existsSync(`/proc/${pid}/exe`)) await new Promise((resolve) => setTimeout(resolve, 20));
}
