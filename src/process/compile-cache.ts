// Node's compile cache for the programs that this one starts.
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';

/** The folder that this process uses, so that a new data folder does not compile everything anew; `folder` if it uses none. */
export function compileCacheOr(folder: string): string {
  const own = getCompileCacheDir();
  // Node appends its version.
  return own === undefined ? folder : dirname(own);
}
