// `node codegen/release.ts`: copies the current contract to the released one, as a step of a release. Rejects breaking
// changes without a new major version.
import { existsSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { releaseFaults } from './breaking.ts';
import { CURRENT_CONTRACT, readContract, RELEASED_CONTRACT } from './documents.ts';

const faults = await faultsSinceLast();
for (const fault of faults) console.error(`openapi.yaml: ${fault}`);
if (faults.length > 0) {
  process.exitCode = 1;
} else {
  await copyFile(CURRENT_CONTRACT, RELEASED_CONTRACT);
  console.log('codegen/openapi.released.yaml is the current contract.');
}

/** The first release cannot contain breaking changes. */
async function faultsSinceLast(): Promise<string[]> {
  if (!existsSync(RELEASED_CONTRACT)) return [];
  return releaseFaults(await readContract(RELEASED_CONTRACT), await readContract(CURRENT_CONTRACT));
}
