// Where local VMs keep what, below the data folder. Names only; touches no disk.
import { join } from 'node:path';

/** As the database has it: nothing in it leaves its folder. */
const HOSTNAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,252}$/;

/** Absolute paths. What starts with a dot is no machine: no hostname does. */
export type LocalPlaces = {
  /** One folder per machine. */
  readonly root: string;
  /** Codes that start-host stand-ins were given, one empty file each. */
  readonly usedCodes: string;
  /** Compiled code, shared by all machines: they start three times as fast with it. */
  readonly compileCache: string;
  /** Held as long as the process lives that keeps the machines. */
  readonly ownerLock: string;
};

/** Absolute paths, below the machine's folder. */
export type MachinePlaces = {
  readonly folder: string;
  /** What is needed to start it again. Holds its token and its host key. */
  readonly machineFile: string;
  /** The participant's. */
  readonly desktop: string;
  readonly log: string;
  /** What agent and stand-in must remember. */
  readonly agentState: string;
  readonly registration: string;
};

export function localPlaces(dataDir: string): LocalPlaces {
  const root = join(dataDir, 'local-vms');
  return {
    root,
    usedCodes: join(root, '.used-codes'),
    compileCache: join(root, '.compile-cache'),
    ownerLock: join(root, '.owner.lock'),
  };
}

export function machinePlaces(folder: string): MachinePlaces {
  return {
    folder,
    machineFile: join(folder, 'machine.json'),
    desktop: join(folder, 'Desktop'),
    log: join(folder, 'log', 'machine.log'),
    agentState: join(folder, 'state', 'agent'),
    registration: join(folder, 'state', 'chrome-remote-desktop.json'),
  };
}

/** Whether a name can be that of a machine, and so of a folder in `root`. */
export function isHostname(name: string): boolean {
  return HOSTNAME.test(name);
}
