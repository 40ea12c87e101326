// Part of `make check`: checks that every generated file is up to date, and that the contract has no breaking changes.
import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { releaseFaults } from './breaking.ts';
import type { GeneratedFile } from './contract.ts';
import { CURRENT_CONTRACT, readContract, RELEASED_CONTRACT } from './documents.ts';
import { generatedFiles } from './files.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

const stale = (await Promise.all((await generatedFiles()).map(staleName))).filter((name) => name !== null);
for (const name of stale) console.error(`${name} is not what would be generated: run make codegen`);

const faults = releaseFaults(await readContract(RELEASED_CONTRACT), await readContract(CURRENT_CONTRACT));
for (const fault of faults) console.error(`openapi.yaml: ${fault}`);
if (faults.length > 0) {
  console.error(
    'These changes break programs that use the released contract: undo them, or move its major version.',
  );
}

if (stale.length + faults.length > 0) process.exitCode = 1;

async function staleName({ path, text }: GeneratedFile): Promise<string | null> {
  const found = await readFile(path, 'utf8').catch(() => null);
  return found === text ? null : relative(root, path);
}
