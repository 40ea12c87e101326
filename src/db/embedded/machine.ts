// What the embedded Postgres asks of the machine it is on. Handed in, so that tests can stand in another machine's shoes.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';

/** Where things go that the user who runs Postgres could not reach otherwise. Written only as root. */
const SYSTEM_DIR = '/var/lib/lablink';

/** Facts of the machine and of this process. */
export type Machine = {
  /** As `process.platform` says it. */
  readonly os: string;
  /** As `process.arch` says it. */
  readonly arch: string;
  /** The user of this process; -1 where the system knows no user numbers. */
  readonly uid: number;
  /** A folder for what must be reachable by every user; used only by root. */
  readonly systemDir: string;
  /** The text of /etc/passwd; empty where there is none. */
  readonly passwd: () => Promise<string>;
  /** The folder of an installed npm package, or undefined where it is not installed. */
  readonly findPackage: (name: string) => string | undefined;
};

/** The machine that this process runs on. */
export function thisMachine(): Machine {
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
