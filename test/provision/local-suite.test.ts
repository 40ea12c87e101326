import { mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { makeSshKeyPair } from '../../src/ssh/key-pair.ts';
import { localPaths } from '../../src/provision/local/vm-folder.ts';
import { local } from '../../src/provision/local/definition.ts';
import { providerHost } from '../support/provider-host.ts';
import { startStubAllocator } from './local-lab.ts';
import { testProvider } from './provider-suite.ts';

testProvider(local, async () => {
  const dataDir = await mkdtemp(join(await realpath(tmpdir()), 'lablink-local-'));
  const sshKey = makeSshKeyPair();
  const stub = await startStubAllocator();
  const host = { dataDir, sshKey, listenUrl: () => stub.url };
  return {
    open: async (database) =>
      (await local.load())(await providerHost({ machine: { software: undefined } }, { ...host, database })),
    slow: {
      begun: async (hostname) => {
        const { root } = localPaths(dataDir);
        await vi.waitUntil(async () => (await readdir(root)).includes(hostname), { interval: 5 });
      },
    },
    [Symbol.asyncDispose]: async () => {
      await stub[Symbol.asyncDispose]();
      await rm(dataDir, { recursive: true });
    },
  };
});
