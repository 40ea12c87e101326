// `lablink doctor --public URL` for the command line: its options, and the password.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Config, ConfigResult } from '../config.ts';
import { asJson, asText, isHealthy } from '../doctor/findings.ts';
import type { Admin, HoldSeconds } from '../doctor/proxy.ts';
import { examinePublic } from '../doctor/run.ts';
import type { CommandAnswer } from '../provision/definition.ts';
import { fail, succeed, type Result } from '../result.ts';
import { PASSWORD_FILE } from '../secrets.ts';

const HOLD_SECONDS: readonly HoldSeconds[] = [1, 65, 130, 310];
/** Longer than the minute after which many proxies cut. */
const USUAL_HOLD = 65;

type Options = {
  readonly url: URL;
  readonly plain: URL;
  readonly ca: string | undefined;
  readonly holdSeconds: HoldSeconds;
  readonly json: boolean;
};

export async function runPublicDoctor(args: readonly string[], loaded: ConfigResult): Promise<CommandAnswer> {
  const read = readOptions(args);
  if (!read.ok) return { text: read.failure, exit: 'usage' };
  const { url, plain, holdSeconds, json } = read.value;
  const ca = await readCa(read.value.ca);
  if (!ca.ok) return { text: ca.failure, exit: 'usage' };
  const admin = loaded.ok ? await readAdmin(loaded.value.config) : null;
  const findings = await examinePublic({ url, plain, ca: ca.value, admin, holdSeconds, now: new Date() });
  const text = json ? asJson(url.origin, findings) : asText(url.origin, findings);
  return { text, exit: isHealthy(findings) ? 'ok' : 'failed' };
}

function readOptions(args: readonly string[]): Result<Options, string> {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        public: { type: 'string' },
        plain: { type: 'string' },
        ca: { type: 'string' },
        hold: { type: 'string', default: String(USUAL_HOLD) },
        json: { type: 'boolean', default: false },
      },
    });
    const url = readUrl(values.public);
    if (url === null) return fail('--public must be an address such as https://lab.example.org.');
    const plain = values.plain === undefined ? new URL(`http://${url.hostname}/`) : readUrl(values.plain);
    if (plain === null) return fail('--plain must be an address such as http://lab.example.org.');
    const holdSeconds = HOLD_SECONDS.find((seconds) => String(seconds) === values.hold);
    if (holdSeconds === undefined) return fail(`--hold must be one of ${HOLD_SECONDS.join(', ')}.`);
    return succeed({ url, plain, ca: values.ca, holdSeconds, json: values.json });
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

function readUrl(text: string | undefined): URL | null {
  const url = URL.parse(text ?? '');
  return url !== null && ['http:', 'https:'].includes(url.protocol) ? url : null;
}

async function readCa(path: string | undefined): Promise<Result<string | null, string>> {
  if (path === undefined) return succeed(null);
  try {
    return succeed(await readFile(path, 'utf8'));
  } catch {
    return fail(`--ca must be a file with certificates in PEM; ${path} cannot be read.`);
  }
}

/** As configured, else from the data folder of an allocator that runs here; null = not known. */
async function readAdmin({ admin, dataDir }: Config): Promise<Admin | null> {
  const { user, password } = admin;
  if (password !== undefined) return { user, password };
  const kept = await readFile(join(dataDir, PASSWORD_FILE), 'utf8').catch(() => '');
  return kept.trim() === '' ? null : { user, password: kept.trim() };
}
