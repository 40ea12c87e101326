// An installation by `make install` in a folder: the bundled program with its own Node.
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);

export type Installation = AsyncDisposable & {
  /** DESTDIR. */
  readonly folder: string;
  readonly program: string;
  /** `make uninstall`. */
  readonly uninstall: (env?: Readonly<Record<string, string>>) => Promise<void>;
};

/** Builds the bundle and installs it. */
export async function install(): Promise<Installation> {
  await run(process.execPath, ['codegen/bundle.ts'], { cwd: root });
  const folder = await mkdtemp(join(tmpdir(), 'lablink-install-'));
  // For root, Postgres runs as another user, who must be able to reach its programs.
  await chmod(folder, 0o711);
  const script = (what: string, env: Readonly<Record<string, string>> = {}) =>
    run(join(root, 'deploy/install.sh'), [what], {
      env: { PATH: process.env['PATH'], DESTDIR: folder, ...env },
    });
  await script('install');
  return {
    folder,
    program: join(folder, 'usr/local/bin/lablink'),
    uninstall: async (env) => {
      await script('uninstall', env);
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
