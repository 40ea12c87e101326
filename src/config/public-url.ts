// The address under which browsers and VMs reach the server, from whatever tells it best.
import { isIP } from 'node:net';
import type { Environment } from './environment.ts';
import type { FieldFile } from './field-file.ts';
import type { ConfigFault } from './problems.ts';
import { isHost } from './rules.ts';

/** The field's word for "no certificate". */
const NO_CERTIFICATE = /^none$/i;
const DEFAULT_APP_NAME = 'lablink';
const DEFAULT_STAGE = 'prod';
const WILDCARD_HOSTS: readonly string[] = ['0.0.0.0', '::'];

export type DerivedUrl = { readonly url: string | undefined; readonly faults: readonly ConfigFault[] };

/**
 * The public origin: PUBLIC_URL; else as the field derives it: https unless `ssl.provider` is none or `ssl.staging`,
 * the DNS name where DNS is on, else ALLOCATOR_PUBLIC_IP, without a port, since a proxy listens on the scheme's own;
 * else undefined: only the listening address tells it.
 */
export function derivePublicUrl(
  values: Pick<Environment, 'PUBLIC_URL' | 'ENVIRONMENT' | 'ALLOCATOR_PUBLIC_IP'>,
  file: Pick<FieldFile, 'dns' | 'ssl'>,
): DerivedUrl {
  if (values.PUBLIC_URL !== undefined) return { url: values.PUBLIC_URL, faults: [] };
  const plain = NO_CERTIFICATE.test(file.ssl.provider?.trim() ?? '') || file.ssl.staging;
  const scheme = plain ? 'http' : 'https';
  if (file.dns.enabled) {
    const host = dnsName(file.dns, values.ENVIRONMENT);
    return 'fault' in host
      ? { url: undefined, faults: [host.fault] }
      : { url: `${scheme}://${host.name}`, faults: [] };
  }
  const address = values.ALLOCATOR_PUBLIC_IP;
  return { url: address === undefined ? undefined : `${scheme}://${bracketed(address)}`, faults: [] };
}

/**
 * The origin of a listening address, for when nothing names a public one.
 * @param port the one that is really listened on, where `PORT` is 0.
 */
export function listenUrl(host: string, port: number): string {
  return `http://${WILDCARD_HOSTS.includes(host) ? 'localhost' : bracketed(host)}:${port}`;
}

/**
 * `auto`: `<app_name>.<domain>` for the stage prod, else `<environment>.<app_name>.<domain>`; `app-only`:
 * `<app_name>.<domain>`; `custom`: `<custom_subdomain>.<domain>`. Files without a pattern: the subdomain or the
 * application's name in front where one is given, else `domain` is the whole name.
 */
function dnsName(dns: FieldFile['dns'], environment: string): { name: string } | { fault: ConfigFault } {
  const { domain, custom_subdomain: subdomain } = dns;
  if (domain === undefined)
    return { fault: unset('dns.domain', 'dns.enabled is true', 'the domain, or dns.enabled: false') };
  const app = dns.app_name ?? DEFAULT_APP_NAME;
  const pattern = dns.pattern ?? (subdomain ? 'custom' : dns.app_name ? 'auto' : 'whole');
  if (pattern === 'custom' && subdomain === undefined) {
    return { fault: unset('dns.custom_subdomain', 'dns.pattern is custom', 'the subdomain') };
  }
  const stage = environment === DEFAULT_STAGE ? [] : [environment];
  const front = { auto: [...stage, app], 'app-only': [app], custom: [subdomain], whole: [] }[pattern];
  const name = [...front, domain].join('.').toLowerCase();
  if (isHost(name)) return { name };
  return {
    fault: {
      key: 'dns',
      problem: `The parts make "${name}", which is not a DNS name.`,
      remedy: 'Correct dns.domain, dns.app_name and dns.custom_subdomain, or set PUBLIC_URL.',
    },
  };
}

function unset(key: string, because: string, what: string): ConfigFault {
  return { key, problem: `It is not set, although ${because}.`, remedy: `Write ${what}, or set PUBLIC_URL.` };
}

const bracketed = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host);
