// Reads the settings for machines on AWS from the configuration. Missing settings do not prevent the start of the server:
// the launch page shows what is missing.
import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { ClientVmsSpec } from '../../../infra/spec.ts';
import { fail, succeed, type Result } from '../../result.ts';
import type { ProvisionFailure } from '../provider.ts';

/** The part of the configuration that this provider uses. */
export type AwsConfig = {
  readonly region: string | undefined;
  readonly allocatorPublicIp: string | undefined;
  /** The CloudWatch log group of the machines. */
  readonly logGroup: string;
  readonly publicUrl: string | undefined;
  readonly deployment: { readonly name: string; readonly environment: string };
  readonly machine: {
    readonly types: readonly string[];
    readonly agent: 'container' | 'lablink';
    readonly diskGb: number;
    readonly vpcId: string | undefined;
    readonly subnetIds: readonly string[];
    readonly sshCidrs: readonly string[];
    readonly graceMinutes: number;
    readonly logRetentionDays: number;
    readonly image: string | undefined;
    readonly amiId: string | undefined;
    readonly repository: string | undefined;
    readonly software: string | undefined;
  };
  readonly startupScript: {
    readonly enabled: boolean;
    readonly path: string | undefined;
    readonly onError: 'continue' | 'fail';
  };
  /** The folder to which paths in the config file are relative. */
  readonly configDir: string | undefined;
};

export type AwsSettings = {
  readonly region: string;
  readonly url: string;
  readonly types: readonly [string, ...string[]];
  readonly amiId: string;
  readonly image: string;
  readonly sshCidrs: readonly string[];
  readonly logGroup: string;
  readonly startupScript: ClientVmsSpec['startupScript'];
  readonly config: AwsConfig;
};

/** Called for every launch, because people edit the start-up script. */
export async function readSettings(config: AwsConfig): Promise<Result<AwsSettings, ProvisionFailure>> {
  const { machine, region, publicUrl } = config;
  const [first, ...others] = machine.types;
  const { amiId, image } = machine;
  if (!region || !amiId || !image || first === undefined || !publicUrl) return missingSettings(config);
  const sshCidrs = cidrsOf(config);
  if (sshCidrs.length === 0)
    return fail({
      code: 'program',
      message: 'The addresses that may reach the machines over SSH are not set.',
      remedy:
        'Set ALLOCATOR_PUBLIC_IP to the address of this server, or set machine.ssh_cidrs in the config file.',
    });
  const script = await readScript(config);
  if (!script.ok) return script;
  return succeed({
    region,
    url: publicUrl,
    types: [first, ...others],
    amiId,
    image,
    sshCidrs,
    logGroup: config.logGroup,
    startupScript: script.value,
    config,
  });
}

function missingSettings({ machine, region, publicUrl }: AwsConfig): Result<never, ProvisionFailure> {
  const keys = [
    ...(region ? [] : ['app.region']),
    ...(machine.types.length > 0 ? [] : ['machine.machine_type']),
    ...(machine.amiId ? [] : ['machine.ami_id']),
    ...(machine.image ? [] : ['machine.image']),
    ...(publicUrl ? [] : ['PUBLIC_URL']),
  ];
  return fail({
    code: 'program',
    message: `Machines on AWS need more configuration: ${keys.join(', ')} ${keys.length === 1 ? 'is' : 'are'} not set.`,
    remedy:
      'Set these keys in the config file (PUBLIC_URL is an environment variable), then restart the server.',
  });
}

function cidrsOf({ machine, allocatorPublicIp }: AwsConfig): readonly string[] {
  if (machine.sshCidrs.length > 0) return machine.sshCidrs;
  if (allocatorPublicIp === undefined) return [];
  return [`${allocatorPublicIp}/${allocatorPublicIp.includes(':') ? 128 : 32}`];
}

async function readScript({
  startupScript,
  configDir,
}: AwsConfig): Promise<Result<ClientVmsSpec['startupScript'], ProvisionFailure>> {
  const { enabled, path, onError } = startupScript;
  if (!enabled) return succeed(null);
  if (path === undefined)
    return fail({
      code: 'program',
      message: 'startup_script.enabled is true, but startup_script.path is not set.',
      remedy: 'Set startup_script.path in the config file, or set startup_script.enabled to false.',
    });
  const file = isAbsolute(path) || configDir === undefined ? path : join(configDir, path);
  try {
    return succeed({ content: await readFile(file, 'utf8'), onError });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return fail({
      code: 'program',
      message: `The start-up script cannot be read: ${error.message}.`,
      remedy: 'Correct startup_script.path in the config file.',
    });
  }
}
