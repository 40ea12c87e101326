// Stands between the Automation API and the engine: runs the engine, hands everything on, and writes down one file per
// call (argv, PULUMI_* environment, exit status, stdout, stderr), in the form of the recordings.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type CliRun = {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly rc: number;
  readonly stdout: string;
  readonly stderr: string;
};

const { LABLINK_RECORD: folder = '', LABLINK_RECORDED: engine = '' } = process.env;
const argv = process.argv.slice(2);
const begun = process.hrtime.bigint();
const child = spawn(engine, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
writeFileSync(join(folder, 'pid'), String(child.pid));
const said = { stdout: '', stderr: '' };
for (const name of ['stdout', 'stderr'] as const)
  child[name].on('data', (chunk: Buffer) => {
    said[name] += chunk.toString();
    process[name].write(chunk);
  });
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));

child.once('close', (code, signal) => {
  const isOurs = ([name]: [string, unknown]) => name.startsWith('PULUMI_');
  const env = Object.fromEntries(Object.entries(process.env).filter(isOurs));
  const rc = code ?? (signal === 'SIGKILL' ? -9 : -1);
  writeFileSync(join(folder, `${begun}.json`), JSON.stringify({ argv, env, rc, ...said }));
  if (signal !== null) process.kill(process.pid, signal);
  else process.exitCode = rc;
});
