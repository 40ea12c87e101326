// `lablink doctor`: checks what a launch on AWS needs. Opens no database, and needs no config file, no credentials and no
// network: it reports what it cannot find out.
import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { CommandConfig, Doctor } from '../../definition.ts';
import { createCloud } from '../cloud.ts';
import { awsFolders } from '../context.ts';
import { AWS_PLUGIN } from '../pulumi.ts';
import { createToolFinder } from '../../engine/tools.ts';
import { examine } from './examine.ts';
import { asJson, asText, isHealthy, problem, type Diagnosis } from './report.ts';
import { checkState } from './state.ts';

const LIMIT_MS = 60_000;
const MAX_VMS = 1_000;

export const runDoctor: Doctor = async (args, loaded, env) => {
  const flags = readFlags(args);
  if (typeof flags === 'string') return { text: flags, exit: 'usage' };
  const diagnosis = await diagnose(flags, loaded, env);
  return {
    text: flags.json ? asJson(diagnosis) : asText(diagnosis),
    exit: isHealthy(diagnosis) ? 'ok' : 'failed',
  };
};

type Flags = {
  readonly vms: number | null;
  readonly type: string | null;
  readonly region: string | null;
  readonly json: boolean;
};

/** The flags, or a sentence about what is wrong with them. */
function readFlags(args: readonly string[]): Flags | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        vms: { type: 'string' },
        type: { type: 'string' },
        region: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    });
    const { vms, type = null, region = null, json } = values;
    const count = vms === undefined ? null : Number(vms);
    if (count !== null && (!/^[1-9]\d*$/.test(vms ?? '') || count > MAX_VMS))
      return `--vms must be a whole number from 1 to ${MAX_VMS}, not "${String(vms)}".`;
    if (region !== null && !/^[a-z]{2}(-[a-z]+)+-\d$/.test(region))
      return `--region must be a region such as us-west-2, not "${region}".`;
    return { vms: count, type, region, json };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

type Env = Parameters<Doctor>[2];

async function diagnose(flags: Flags, loaded: Parameters<Doctor>[1], env: Env): Promise<Diagnosis> {
  const config = loaded.ok ? loaded.value.config : null;
  const dataDir = config?.dataDir ?? resolve(env['DATA_DIR'] ?? './data');
  const folders = awsFolders(await realpath(dataDir).catch(() => dataDir));
  const settings = settingsOf(flags, config, env);
  const { region } = settings;
  const backendUrl = config?.pulumi.backendUrl ?? null;
  const signal = AbortSignal.timeout(LIMIT_MS);
  const diagnosis = await examine({
    ...settings,
    vms: flags.vms,
    findTools: createToolFinder(
      {
        configured: configuredCli(env),
        own: folders.cli,
        pulumiHome: folders.pulumiHome,
        path: env['PATH'] ?? '',
      },
      AWS_PLUGIN,
    ),
    // It lists none of our machines: the uid is not needed.
    cloud: (where) => createCloud({ region: where, uid: 'none' }),
    checkState: () => checkState({ backendUrl, folder: folders.state, region }, signal),
    signal,
  });
  if (loaded.ok) return diagnosis;
  const faults = loaded.failure.map(({ key, message, remedy }) => problem(key, message, remedy));
  return { ...diagnosis, findings: [...faults, ...diagnosis.findings] };
}

/** Flags win over the configuration; without a valid one, nothing is set. */
function settingsOf(flags: Flags, config: CommandConfig | null, env: Env) {
  return {
    region: flags.region ?? config?.aws.region ?? env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? null,
    machineType: flags.type ?? config?.machine.type ?? null,
    ...(config === null
      ? { amiId: null, publicUrl: null, allowPlainHttp: false, trustsProxy: true }
      : {
          amiId: config.machine.amiId ?? null,
          publicUrl: config.server.publicUrl ?? null,
          allowPlainHttp: config.launch.allowPlainHttp,
          trustsProxy: config.server.trustProxy !== false,
        }),
  };
}

function configuredCli(env: Env): string | undefined {
  const folder = env['PULUMI_CLI_DIR'];
  return folder === undefined || folder.trim() === '' ? undefined : resolve(folder);
}
