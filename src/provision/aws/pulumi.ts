// What Pulumi's driver must know about AWS.
import { programBeside } from '../../process/program.ts';
import type { EngineCloud } from '../engine/messages.ts';
import type { PulumiProvider } from '../engine/run.ts';
import type { PluginSettings } from '../engine/tools.ts';
import { explainOutput } from './failure.ts';

/** The plugin's own 25 attempts, up to 300 s apart, would keep a zone without capacity for most of an hour. */
const MAX_RETRIES = 5;
/** Pulumi's own number is four for each core of this server; the limit is the rate of EC2's requests. */
const PARALLEL = 24;

export const AWS_CLOUD: EngineCloud = {
  name: 'aws',
  machineType: 'aws:ec2/instance:Instance',
  config: { 'aws:maxRetries': String(MAX_RETRIES) },
  parallel: PARALLEL,
  program: programBeside(import.meta.url, '../../../infra/client-vms').href,
};

export const AWS_PULUMI: PulumiProvider = { cloud: AWS_CLOUD, explain: explainOutput };

export const AWS_PLUGIN: PluginSettings = {
  name: AWS_CLOUD.name,
  label: 'AWS',
  package: '@pulumi/aws',
  remedy: 'Run `lablink setup` (in a checkout: `make setup-aws`) on this server, which installs both.',
};

/** The region of the plugin: the program names none. */
export function pluginEnvironment(region: string): Readonly<Record<string, string>> {
  return { AWS_REGION: region };
}
