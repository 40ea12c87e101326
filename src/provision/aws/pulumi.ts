// What Pulumi's driver must know about AWS.
import type { EngineCloud } from '../engine/messages.ts';
import type { PluginSettings } from '../engine/tools.ts';

export const AWS_CLOUD: EngineCloud = {
  name: 'aws',
  machineType: 'aws:ec2/instance:Instance',
  program: new URL('../../../infra/client-vms.ts', import.meta.url).href,
};

export const AWS_PLUGIN: PluginSettings = {
  name: AWS_CLOUD.name,
  label: 'AWS',
  package: '@pulumi/aws',
  remedy: 'Run `make setup-aws` (or `lablink setup`) on this server, which installs both.',
};

/** The region of the plugin: the program names none. */
export function pluginEnvironment(region: string): Readonly<Record<string, string>> {
  return { AWS_REGION: region };
}
