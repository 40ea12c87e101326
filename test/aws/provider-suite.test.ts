// The AWS provider on the doubles of Pulumi's engine and of AWS.
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, vi } from 'vitest';
import { programEnvironment } from '../../src/app/fleet.ts';
import { aws } from '../../src/provision/aws/definition.ts';
import { makeSshKeyPair } from '../../src/ssh/key-pair.ts';
import { testProvider } from '../provision/provider-suite.ts';
import { configText, serverEnv } from '../support/aws-config.ts';
import { startCloud } from '../support/cloud.ts';
import { testEngine } from '../support/engine.ts';
import { good } from '../support/load-config.ts';
import { motoIsThere } from '../support/moto.ts';
import { providerHost } from '../support/provider-host.ts';

describe.skipIf(!motoIsThere())('on the doubles of Pulumi and AWS', () => {
  testProvider(
    aws,
    async () => {
      const dataDir = await mkdtemp(join(await realpath(tmpdir()), 'lablink-aws-'));
      const cloud = await startCloud();
      const env = { ...cloud.env, ...testEngine().env };
      // The clients of AWS read the environment of this process.
      for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
      const { config } = good({ ...serverEnv(), CONFIG_NAME: '' }, configText(cloud));
      const host = {
        dataDir,
        sshKey: makeSshKeyPair(),
        env: programEnvironment({ ...process.env, ...env }),
        limits: { listDelayMs: 3_000, orphanedEngineMs: 20_000, earlierSessionsMs: 20_000 },
      };
      return {
        open: async (database) => (await aws.load())(await providerHost(config, { ...host, database })),
        slow: {
          hold: () => cloud.faults.hold(),
          release: () => cloud.faults.release(),
          begun: async (hostname) => {
            const isCreating = () =>
              cloud.calls().some(({ what, name }) => what === 'create' && name === hostname);
            await vi.waitUntil(isCreating, { timeout: 60_000 });
          },
        },
        [Symbol.asyncDispose]: async () => {
          await cloud[Symbol.asyncDispose]();
          vi.unstubAllEnvs();
          await rm(dataDir, { recursive: true });
        },
      };
    },
    { timeout: 240_000 },
  );
});
