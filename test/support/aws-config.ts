// The configuration of an allocator with machines on the test cloud, for tests and measurements.
import type { TestCloud } from './cloud.ts';
import { testEngine } from './engine.ts';

/** One of the images that moto has in every region: to ask for all of them takes it a second. */
const IMAGE = 'ami-03cf127a';

/** The text of the config file; `more` is added to its key `machine`. */
export function configText(cloud: TestCloud, more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    machine: {
      machine_type: 't3.micro',
      image: 'ghcr.io/example/client:1',
      ami_id: IMAGE,
      software: 'sleap',
      ssh_cidrs: ['203.0.113.7/32'],
      ...more,
    },
    app: { region: cloud.region },
  });
}

/** Environment variables of the server. */
export function serverEnv(): Record<string, string> {
  return {
    PROVIDER: 'aws',
    DEPLOYMENT: 'lab',
    ENVIRONMENT: 'test',
    PUBLIC_URL: 'https://lab.example.org',
    PULUMI_CLI_DIR: testEngine().pulumiRoot,
    CONFIG_NAME: 'config.yaml',
  };
}
