// The names by which browsers may call this server, and what pages call it.
import { isLoopback } from '../config/derive.ts';
import type { Config } from '../config.ts';
import type { HttpOptions } from '../http/options.ts';

type Names = Pick<HttpOptions, 'isOwnHost' | 'publicUrl' | 'trustProxy'>;

/**
 * Only this computer reaches a server on loopback: a browser that calls it by another name was led there by another site. Behind
 * a trusted proxy the names are the proxy's concern.
 */
export function serverNames({ host, publicUrl, trustProxy }: Config['server']): Names {
  if (!isLoopback(host) || trustProxy !== false) return { publicUrl, trustProxy };
  const known = publicUrl === undefined ? null : URL.parse(publicUrl)?.hostname;
  const isOwnHost = (name: string) => isLoopback(name) || name.endsWith('.localhost') || name === known;
  return { publicUrl, trustProxy, isOwnHost };
}

/** What pages and messages call the deployment. */
export function siteOf({ deployment }: Pick<Config, 'deployment'>): string {
  return `${deployment.name} · ${deployment.environment}`;
}
