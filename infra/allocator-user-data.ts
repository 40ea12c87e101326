// The user data of an allocator's instance: the files of deploy/, its settings, and the script boot/allocator.sh, compressed with
// gzip, which cloud-init unpacks. Contains the admin's password.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import type { AllocatorSpec } from './allocator-spec.ts';
import { quoted, withoutComments } from './shell.ts';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const FILES = {
  'compose.yaml': read('../deploy/compose.yaml'),
  Caddyfile: read('../deploy/Caddyfile'),
};
const SCRIPT = read('boot/allocator.sh');
/** In the container. */
const CONFIG_DIR = '/etc/lablink';
const BEST = { level: 9 } as const;

/** What the user data is made of. */
type BootSpec = Pick<
  AllocatorSpec,
  | 'provider'
  | 'deployment'
  | 'region'
  | 'domain'
  | 'image'
  | 'dataVolumeId'
  | 'adminPassword'
  | 'configFile'
  | 'settings'
>;

/** @param publicIp from which the allocator reaches its machines over SSH. Throws if a value contains a NUL byte. */
export function allocatorUserData(spec: BootSpec, publicIp: string): string {
  const files = {
    ...FILES,
    'compose.override.yaml': override(spec),
    '.env': settings(spec, publicIp),
    ...(spec.configFile !== '' && { 'config/config.yaml': spec.configFile }),
  };
  const lines = [
    '#!/bin/bash',
    `export LABLINK_VOLUME=${quoted('LABLINK_VOLUME', spec.dataVolumeId)}`,
    'write_files() {',
    '  mkdir -p config',
    ...Object.entries(files).map(
      ([name, text]) => `  base64 -d >${name} <<<${Buffer.from(text).toString('base64')}`,
    ),
    '  chmod 600 .env',
    '}',
    withoutComments(SCRIPT),
  ];
  return gzipSync(lines.join('\n'), BEST).toString('base64');
}

/** What differs from deploy/compose.yaml: an image that was built elsewhere, and the data on the data volume. */
function override({ image }: BootSpec): string {
  const volumes = ['/var/lib/lablink/data:/var/lib/lablink'];
  const services = { allocator: { image, volumes }, caddy: { volumes: ['/var/lib/lablink/caddy:/data'] } };
  // JSON is YAML.
  return JSON.stringify({ services });
}

/** What Compose itself reads, and the settings of the allocator. */
function settings(spec: BootSpec, publicIp: string): string {
  const values = {
    ...spec.settings,
    ...settingsOf(spec),
    ALLOCATOR_PUBLIC_IP: publicIp,
    ADMIN_PASSWORD: spec.adminPassword,
    LABLINK_DOMAIN: spec.domain,
  };
  return Object.entries(values)
    .map(([name, value]) => `${name}=${composeValue(value)}\n`)
    .join('');
}

type Decided = Pick<BootSpec, 'provider' | 'deployment' | 'region' | 'configFile'>;

/** The settings that are known before anything has been created, and are no secrets. */
export function settingsOf({ provider, deployment, region, configFile }: Decided): Record<string, string> {
  const place = { PROVIDER: provider, DEPLOYMENT: deployment, AWS_REGION: region };
  return configFile === '' ? place : { ...place, CONFIG_DIR };
}

/** Compose replaces variables between double quotes, but not those whose `$` is escaped. */
function composeValue(value: string): string {
  return value.includes("'") ? `"${value.replaceAll(/["$\\]/g, String.raw`\$&`)}"` : `'${value}'`;
}
