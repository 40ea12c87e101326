// Builds the static files of the pages; starts and stops what all test files share: Postgres, and the emulators of AWS.
import type { TestProject } from 'vitest/node';
import { buildAssets } from '../../codegen/assets.ts';
import { provideMoto } from './moto.ts';
import './provided.ts';
import { startTestPostgres } from './postgres-server.ts';

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [server, moto] = await Promise.all([startTestPostgres(), provideMoto(), buildAssets()]);
  project.provide('runPid', process.pid);
  project.provide('postgres', server.connectionString);
  return async () => {
    await moto[Symbol.asyncDispose]();
    await server.stop();
  };
}
