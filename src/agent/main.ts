// lablink-agent: argv and environment -> runAgent; signals; exit codes. Nothing else.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import manifest from '../../package.json' with { type: 'json' };
import { startHostWithin } from './container.ts';
import { environmentHelp, parseTimings, readSettings, type AgentSettings } from './environment.ts';
import { defaultIntervals, type AgentLog, type AgentOptions } from './options.ts';
import { runAgent } from './run.ts';
import { createAgentWorld } from './world.ts';

const EXIT_FAULT = 1;
const EXIT_USAGE = 2;
/** After the second signal; whatever still runs then is left behind. */
const FORCED_EXIT_MS = 5_000;

async function main(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  if (args.includes('--version')) return print(`lablink-agent ${manifest.version}\n`);
  if (args.includes('--help')) return print(help());
  if (args.length > 0) {
    complain([`lablink-agent takes no argument ${JSON.stringify(args[0])}; see lablink-agent --help`]);
    return EXIT_USAGE;
  }
  const result = readSettings(environment);
  if (!result.ok) {
    complain(result.faults);
    return EXIT_USAGE;
  }
  const exit = await runAgent(await assemble(result.settings, environment));
  if (exit.kind === 'stopped') return 0;
  complain([exit.message]);
  return EXIT_FAULT;
}

async function assemble(settings: AgentSettings, environment: NodeJS.ProcessEnv): Promise<AgentOptions> {
  return {
    ...settings,
    startHost: settings.container
      ? startHostWithin(settings.container, settings.startHost)
      : [settings.startHost],
    bootId: await readBootId(),
    timings: () => readTimings(settings.timings),
    childEnvironment: { ...environment, API_TOKEN: undefined },
    intervals: defaultIntervals,
    world: createAgentWorld(createLog()),
    ...createSignals(),
  };
}

/** The kernel's; where there is none, every start of the agent counts as a boot. */
async function readBootId(): Promise<string> {
  const text = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return text.trim() === '' ? randomUUID() : text.trim();
}

async function readTimings(timings: AgentSettings['timings']): ReturnType<AgentOptions['timings']> {
  if (timings === null) return null;
  if ('known' in timings) return timings.known;
  return parseTimings(await readFile(timings.file, 'utf8').catch(() => ''));
}

/** The first signal asks, the second forces. */
function createSignals(): Pick<AgentOptions, 'signal' | 'forceSignal'> {
  const stop = new AbortController();
  const force = new AbortController();
  const onSignal = () => {
    if (!stop.signal.aborted) {
      stop.abort();
      return;
    }
    force.abort();
    setTimeout(() => process.exit(EXIT_FAULT), FORCED_EXIT_MS).unref();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return { signal: stop.signal, forceSignal: force.signal };
}

/** One line each, on standard error. */
function createLog(): AgentLog {
  const write = (level: string) => (message: string) => {
    process.stderr.write(`${new Date().toISOString()} ${level} ${message.replace(/\s*\n\s*/g, ' | ')}\n`);
  };
  return { info: write('info'), warn: write('warn'), error: write('error') };
}

function complain(faults: readonly string[]): void {
  for (const fault of faults) process.stderr.write(`lablink-agent: ${fault}\n`);
}

function print(text: string): 0 {
  process.stdout.write(text);
  return 0;
}

function help(): string {
  const lines = environmentHelp.map(([name, what, standard]) => {
    const note = standard === undefined ? 'required' : standard === null ? 'optional' : `default ${standard}`;
    return `  ${name}\n      ${what} (${note})`;
  });
  return [
    'lablink-agent: reports this machine to a LabLink allocator, waits for participants, and connects them.',
    '',
    'Usage: lablink-agent [--help | --version]',
    '',
    'Environment:',
    ...lines,
    '',
    'It runs in the foreground and writes its log to standard error. SIGTERM or SIGINT stops it; a second one at once.',
    'Exit codes: 0 stopped, 1 it could not go on, 2 its arguments or environment are wrong.',
    '',
  ].join('\n');
}

void main(process.argv.slice(2), process.env).then((code) => process.exit(code));
