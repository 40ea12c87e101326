// What the configuration says about machines on AWS, complete or with what is missing. Missing is no fault of a start:
// the server serves, and the launch page says it.
import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { ClientVmsSpec } from '../../../infra/spec.ts';

/** The parts of the Config that this provider is about. */
export type AwsConfig = {
  readonly region: string | undefined;
  readonly allocatorPublicIp: string | undefined;
  readonly logGroup: string | undefined;
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
  /** Where relative paths of the config file start. */
  readonly configDir: string | undefined;
};

export type AwsSettings = {
  readonly ok: true;
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

/** Whole sentences. */
export type NotSet = { readonly ok: false; readonly problem: string; readonly remedy: string };

/** Read anew for every launch: the start-up script is a file that people edit. */
export async function readSettings(config: AwsConfig): Promise<AwsSettings | NotSet> {
  const { machine, region, publicUrl } = config;
  const [first, ...others] = machine.types;
  const { amiId, image } = machine;
  if (!region || !amiId || !image || first === undefined || !publicUrl) return missing(config);
  const sshCidrs = cidrsOf(config);
  if (sshCidrs.length === 0)
    return {
      ok: false,
      problem: 'It is not known from where machines may be reached over SSH.',
      remedy:
        'Set ALLOCATOR_PUBLIC_IP to the address of this server, or machine.ssh_cidrs in the config file.',
    };
  const script = await readScript(config);
  if (!script.ok) return script;
  return {
    ok: true,
    region,
    url: publicUrl,
    types: [first, ...others],
    amiId,
    image,
    sshCidrs,
    logGroup: logGroupOf(config),
    startupScript: script.script,
    config,
  };
}

/** Where the machines' logs are. */
export function logGroupOf({ logGroup, deployment }: Pick<AwsConfig, 'logGroup' | 'deployment'>): string {
  return logGroup ?? `/lablink/${deployment.name}/${deployment.environment}`;
}

function missing({ machine, region, publicUrl }: AwsConfig): NotSet {
  const keys = [
    ...(region ? [] : ['app.region']),
    ...(machine.types.length > 0 ? [] : ['machine.machine_type']),
    ...(machine.amiId ? [] : ['machine.ami_id']),
    ...(machine.image ? [] : ['machine.image']),
    ...(publicUrl ? [] : ['PUBLIC_URL']),
  ];
  return {
    ok: false,
    problem: `Machines on AWS need more configuration: ${keys.join(', ')} ${keys.length === 1 ? 'is' : 'are'} not set.`,
    remedy: 'Write the keys into the config file (PUBLIC_URL is a variable), and start the server again.',
  };
}

function cidrsOf({ machine, allocatorPublicIp }: AwsConfig): readonly string[] {
  if (machine.sshCidrs.length > 0) return machine.sshCidrs;
  if (allocatorPublicIp === undefined) return [];
  return [`${allocatorPublicIp}/${allocatorPublicIp.includes(':') ? 128 : 32}`];
}

type Script = { readonly ok: true; readonly script: ClientVmsSpec['startupScript'] } | NotSet;

async function readScript({ startupScript, configDir }: AwsConfig): Promise<Script> {
  const { enabled, path, onError } = startupScript;
  if (!enabled) return { ok: true, script: null };
  if (path === undefined)
    return {
      ok: false,
      problem: 'startup_script.enabled is true, and startup_script.path is not set.',
      remedy: 'Write startup_script.path into the config file, or startup_script.enabled: false.',
    };
  const file = isAbsolute(path) || configDir === undefined ? path : join(configDir, path);
  try {
    return { ok: true, script: { content: await readFile(file, 'utf8'), onError } };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return {
      ok: false,
      problem: `The start-up script cannot be read: ${error.message}.`,
      remedy: 'Correct startup_script.path in the config file.',
    };
  }
}
