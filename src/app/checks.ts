// `lablink check-config` and `lablink healthcheck`: for a container, a unit, a deployment script, or a person at 2 a.m.
import { createLablinkClient } from '../client/client.ts';
import type { ConfigResult } from '../config.ts';
import { listenUrl } from '../config/derive.ts';
import { renderFailures } from '../config/failure.ts';
import type { CommandAnswer } from '../provision/definition.ts';

const ANSWER_MS = 5_000;

/** Reads the configuration and starts nothing. */
export function checkConfig(args: readonly string[], loaded: ConfigResult): CommandAnswer {
  const [option, ...more] = args;
  if (more.length > 0 || (option !== undefined && option !== '--json'))
    return { text: `check-config takes --json and nothing else, not ${args.join(' ')}.\n`, exit: 'usage' };
  const warnings = loaded.ok ? loaded.value.warnings : [];
  const failures = loaded.ok ? [] : loaded.failure;
  const exit = loaded.ok ? 'ok' : 'failed';
  if (option === '--json') {
    const errors = failures.map(({ key, code, message, remedy }) => ({ key, code, message, remedy }));
    return { text: `${JSON.stringify({ ok: loaded.ok, errors, warnings }, null, 2)}\n`, exit };
  }
  const lines = [
    ...warnings.map((warning) => `Warning: ${warning}`),
    loaded.ok ? 'The configuration is valid.' : renderFailures(failures),
  ];
  return { text: `${lines.join('\n')}\n`, exit };
}

/** Asks the allocator that runs here, at the host and port of the configuration, whether it is ready. */
export async function healthcheck(args: readonly string[], loaded: ConfigResult): Promise<CommandAnswer> {
  if (args.length > 0)
    return { text: `healthcheck takes no arguments, not ${args.join(' ')}.\n`, exit: 'usage' };
  if (!loaded.ok) return { text: `${renderFailures(loaded.failure)}\n`, exit: 'failed' };
  const { host, port } = loaded.value.config.server;
  const baseUrl = listenUrl(host, port);
  const health = await ask(baseUrl);
  if (typeof health === 'string')
    return { text: `The allocator at ${baseUrl} does not answer: ${health}.\n`, exit: 'failed' };
  const { status, checks } = health;
  const details = checks.flatMap(({ name, detail }) => (detail === undefined ? [] : `  ${name}: ${detail}`));
  const said = status === 'ok' ? 'is ready' : 'is not ready';
  return {
    text: `${[`The allocator at ${baseUrl} ${said}.`, ...details].join('\n')}\n`,
    exit: status === 'ok' ? 'ok' : 'failed',
  };
}

type Health = { readonly status: string; readonly checks: readonly { name: string; detail?: string }[] };

/** Its health, or why there is none. */
async function ask(baseUrl: string): Promise<Health | string> {
  const client = createLablinkClient({ baseUrl });
  try {
    const { data, error, response } = await client.GET('/api/health', {
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const answered = data ?? error;
    return 'checks' in answered ? answered : `status ${response.status}`;
  } catch (error) {
    return reasonOf(error);
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || error.message : error.message;
}
