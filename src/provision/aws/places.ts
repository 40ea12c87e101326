// What the AWS provider keeps in the data folder, and where. Knows paths alone.
import { join } from 'node:path';

export type AwsPlaces = {
  readonly root: string;
  /** The engine's state, where no other place is configured. */
  readonly state: string;
  /** Sessions of the engine have their folders in it. */
  readonly runs: string;
  /** Of the engine: plugins, and what it remembers. */
  readonly pulumiHome: string;
  /** Where the set-up command puts the program. */
  readonly cli: string;
  /** Made by Node: the child's modules, compiled. */
  readonly compileCache: string;
};

/** @param dataDir absolute, without links */
export function awsPlaces(dataDir: string): AwsPlaces {
  const root = join(dataDir, 'aws');
  return {
    root,
    state: join(root, 'state'),
    runs: join(root, 'runs'),
    pulumiHome: join(root, 'pulumi-home'),
    cli: join(root, 'pulumi'),
    compileCache: join(root, 'compile-cache'),
  };
}
