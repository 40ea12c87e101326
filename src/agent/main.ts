// lablink-agent: argv and environment -> runAgent; signals; exit codes. Nothing else.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import manifest from '../../package.json' with { type: 'json' };
import { startHostWithin } from './container.ts';
import { parseTimings, readConfig, variableHelp, type AgentConfig } from './config.ts';
import { defaultIntervals, type AgentLog, type AgentOptions } from './options.ts';
import { runProgram } from './program.ts';
import { runAgent } from './run.ts';
import { listProcesses } from './processes.ts';

const EXIT_FAULT = 1;
const EXIT_USAGE = 2;
/** After the second signal the agent exits, whatever still runs. */
const FORCED_EXIT_MS = 5_000;

async function main(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  if (args.includes('--version')) return print(`lablink-agent ${manifest.version}\n`);
  if (args.includes('--help')) return print(help());
  if (args.length > 0) {
    complain([`lablink-agent has no argument ${JSON.stringify(args[0])}. See lablink-agent --help.`]);
    return EXIT_USAGE;
  }
  const config = readConfig(environment);
  if (!config.ok) {
    complain(config.failure);
    return EXIT_USAGE;
  }
  const end = await runAgent(await createOptions(config.value, environment));
  if (end.ok) return 0;
  complain([end.failure]);
  return EXIT_FAULT;
}

async function createOptions(config: AgentConfig, environment: NodeJS.ProcessEnv): Promise<AgentOptions> {
  return {
    ...config,
    startHost: config.container ? startHostWithin(config.container, config.startHost) : [config.startHost],
    bootId: await readBootId(),
    timings: () => readTimings(config.timings),
    childEnvironment: { ...environment, API_TOKEN: undefined },
    intervals: defaultIntervals,
    dependencies: {
      fetch: (request) => fetch(request),
      listProcesses: () => listProcesses(),
      runProgram,
      log: createLog(),
    },
    ...createSignals(),
  };
}

/** The kernel's; without one, every start of the agent counts as a boot. */
async function readBootId(): Promise<string> {
  const text = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return text.trim() === '' ? randomUUID() : text.trim();
}

async function readTimings(timings: AgentConfig['timings']): ReturnType<AgentOptions['timings']> {
  if (timings === null) return null;
  if ('known' in timings) return timings.known;
  return parseTimings(await readFile(timings.file, 'utf8').catch(() => ''));
}

/** The first signal stops the agent, the second forces it. */
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

function complain(sentences: readonly string[]): void {
  for (const sentence of sentences) process.stderr.write(`lablink-agent: ${sentence}\n`);
}

function print(text: string): 0 {
  process.stdout.write(text);
  return 0;
}

function help(): string {
  const lines = variableHelp.map(({ name, description, standard }) => {
    const note = standard === undefined ? 'required' : standard === null ? 'optional' : `default ${standard}`;
    return `  ${name}\n      ${description} (${note})`;
  });
  return [
    'lablink-agent: reports this machine to a LabLink allocator, waits for participants, and connects them.',
    '',
    'Usage: lablink-agent [--help | --version]',
    '',
    'Environment:',
    ...lines,
    '',
    'It runs in the foreground and writes its log to standard error. SIGTERM or SIGINT stops it; a second signal stops it at once.',
    'Exit codes: 0 stopped, 1 cannot continue, 2 wrong arguments or environment.',
    '',
  ].join('\n');
}

void main(process.argv.slice(2), process.env).then((code) => process.exit(code));
