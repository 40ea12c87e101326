// The program that the Automation API runs in place of the engine: it runs the engine, passes its output on, and writes one
// file per call (argv, PULUMI_* environment, exit status, stdout, stderr), in the format of the recordings.
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
const startedAt = process.hrtime.bigint();
const child = spawn(engine, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
writeFileSync(join(folder, 'pid'), String(child.pid));
const output = { stdout: '', stderr: '' };
for (const name of ['stdout', 'stderr'] as const)
  child[name].on('data', (chunk: Buffer) => {
    output[name] += chunk.toString();
    process[name].write(chunk);
  });
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));

child.once('close', (code, signal) => {
  const isPulumiVariable = ([name]: [string, unknown]) => name.startsWith('PULUMI_');
  const env = Object.fromEntries(Object.entries(process.env).filter(isPulumiVariable));
  const rc = code ?? (signal === 'SIGKILL' ? -9 : -1);
  writeFileSync(join(folder, `${startedAt}.json`), JSON.stringify({ argv, env, rc, ...output }));
  if (signal !== null) process.kill(process.pid, signal);
  else process.exitCode = rc;
});
