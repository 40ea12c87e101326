// The computer and the process, as far as the embedded Postgres depends on them. Passed in, so that tests can replace them.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';

/** For files that the user of Postgres could not reach otherwise. Written only as root. */
const SYSTEM_DIR = '/var/lib/lablink';

export type Platform = {
  /** As in `process.platform`. */
  readonly os: string;
  /** As in `process.arch`. */
  readonly arch: string;
  /** The user of this process; -1 where the system has no user numbers. */
  readonly uid: number;
  /** A folder that every user can reach; used only by root. */
  readonly systemDir: string;
  /** The text of /etc/passwd; empty where there is none. */
  readonly passwd: () => Promise<string>;
  /** The folder of an installed npm package, or undefined where it is not installed. */
  readonly findPackage: (name: string) => string | undefined;
};

export function thisPlatform(): Platform {
  return {
    os: process.platform,
    arch: process.arch,
    uid: process.getuid?.() ?? -1,
    systemDir: SYSTEM_DIR,
    passwd: () => readFile('/etc/passwd', 'utf8').catch(() => ''),
    findPackage,
  };
}

function findPackage(name: string): string | undefined {
  try {
    // The platform packages export dist/index.js and nothing else, not even package.json.
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    return undefined;
  }
}
