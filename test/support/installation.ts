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
  /** The program itself, which the service runs. */
  readonly program: string;
  /** `make uninstall`, with settings such as `PURGE=yes`. */
  readonly uninstall: (...settings: string[]) => Promise<void>;
};

/** What `make install` makes before it installs: the bundle. */
export async function buildInstallation(): Promise<void> {
  await run(process.execPath, ['codegen/bundle.ts'], { cwd: root });
}

/** Installs it as `make install` does, below a folder. */
export async function install(prefix = '/usr/local'): Promise<Installation> {
  const folder = await mkdtemp(join(tmpdir(), 'lablink-install-'));
  // For root, Postgres runs as another user, who must be able to reach its programs.
  await chmod(folder, 0o711);
  const make = (...what: string[]) =>
    run('make', ['--silent', '--old-file=bundle', ...what, `PREFIX=${prefix}`, `DESTDIR=${folder}`], {
      cwd: root,
      env: { PATH: process.env['PATH'] },
    });
  await make('install');
  return {
    folder,
    program: join(folder, prefix, 'lib/lablink/bin/lablink'),
    uninstall: async (...settings) => {
      await make('uninstall', ...settings);
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
