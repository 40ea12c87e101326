// What the log forwarder shows, and the server knows it by: configured; with AWS, made and kept where it is not.
import type { Config } from '../config.ts';
import { loadOrCreateSecret } from '../secrets.ts';
import { StartRefused } from './environment.ts';

const FILE = 'log-forwarder-token';
const BYTES = 32;

export async function forwarderToken(config: Config, dataDir: string): Promise<string | undefined> {
  if (config.tokens.logForwarder !== undefined || config.provider !== 'aws')
    return config.tokens.logForwarder;
  const kept = await loadOrCreateSecret({ dataDir, name: FILE, bytes: BYTES });
  if (!kept.ok) throw new StartRefused(kept.fault.problem, kept.fault.remedy);
  return kept.value;
}
