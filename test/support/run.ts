// The program behind `make tests`: runs vitest, and ends what tests left running.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { endLeftovers } from './leftovers.ts';

const root = join(import.meta.dirname, '..', '..');
/** Every worker and every program of the tests reads what an earlier one compiled: a third of the time of a start. */
const compileCache = join(root, '.cache', 'compiled');

/** Returns Vitest's exit code, or 1 if a signal ended it. Vitest receives Ctrl-C too; this process stays for the result. */
function runVitest(args: readonly string[]): Promise<number> {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const child = spawn(process.execPath, [vitest, 'run', ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
  });
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

process.exitCode = await runVitest(process.argv.slice(2));
await endLeftovers();
