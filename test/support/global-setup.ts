// Builds the static files of the pages, and the test doubles that are programs; makes and removes what all test files share: a folder
// for temporary files, Postgres, and the emulators of AWS.
import { rm } from 'node:fs/promises';
import type { TestProject } from 'vitest/node';
import { buildAssets } from '../../codegen/assets.ts';
import { provideMoto } from './moto.ts';
import { provideDoubles } from './doubles.ts';
import './provided.ts';
import { startTestPostgres } from './postgres-server.ts';
import { makeFolderInMemory } from './temporary-folder.ts';

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await makeFolderInMemory();
  // For this process and all that it starts.
  if (folder !== null) process.env['TMPDIR'] = folder;
  const [server, moto, doubles] = await Promise.all([
    startTestPostgres(),
    provideMoto(),
    provideDoubles(),
    buildAssets(),
  ]);
  project.provide('runPid', process.pid);
  project.provide('postgres', server.connectionString);
  return async () => {
    await moto[Symbol.asyncDispose]();
    await doubles[Symbol.asyncDispose]();
    await server.stop();
    if (folder !== null) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
}
