// The engine's non-interactive terminal output, which the Automation API returns as text.
import type { EngineEvent } from './events.ts';
import { isObject, isSecret, type Props } from './values.ts';

const HEADINGS = { up: 'Updating', destroy: 'Destroying', refresh: 'Refreshing' } as const;
const SIGNS: Readonly<Record<string, string>> = {
  create: ' + ',
  update: ' ~ ',
  refresh: ' ~ ',
  delete: ' - ',
};
const DOING: Readonly<Record<string, string>> = {
  create: 'creating',
  update: 'updating',
  refresh: 'refreshing',
  delete: 'deleting',
};
const DONE: Readonly<Record<string, string>> = { create: 'created', update: 'updated', delete: 'deleted' };

export type Screen = {
  readonly show: (event: EngineEvent) => void;
  /** Prints the diagnostics, outputs and totals. */
  readonly close: (changes: Readonly<Record<string, number>>, seconds: number) => void;
};

export function openScreen(
  command: keyof typeof HEADINGS,
  stack: string,
  project: string,
  print: (text: string) => void,
): Screen {
  const root = `urn:pulumi:${stack}::${project}::pulumi:pulumi:Stack::${project}-${stack}`;
  const diagnostics = new Map<string, string[]>();
  const errored = new Set<string>();
  let outputs: { old: Props; news: Props; isFirst: boolean } | null = null;
  print(`${HEADINGS[command]} (${stack}):\n`);

  function showDiagnostic(event: Props): void {
    const severity = text(event['severity']);
    if (severity === 'debug') return;
    const urn = typeof event['urn'] === 'string' ? event['urn'] : root;
    const line = `${text(event['prefix'])}${text(event['message'])}`;
    diagnostics.set(urn, [...(diagnostics.get(urn) ?? []), line]);
    if (severity === 'error') errored.add(urn);
    print(`    ${titleOf(urn)}  ${line.split('\n')[0] ?? ''}\n`);
  }

  function showStep(metadata: unknown, verbs: Readonly<Record<string, string>>): void {
    if (!isObject(metadata)) return;
    const { op, urn, old, new: news } = metadata;
    if (urn === root) {
      const was = isObject(old) && isObject(old['outputs']) ? old['outputs'] : {};
      const is = isObject(news) && isObject(news['outputs']) ? news['outputs'] : {};
      outputs = { old: was, news: is, isFirst: op === 'create' };
    }
    const verb = verbs[text(op)];
    if (verb !== undefined && !text(urn).includes('::pulumi:providers:'))
      print(`${SIGNS[text(op)] ?? '   '} ${titleOf(text(urn))} ${verb} \n`);
  }

  return {
    show: ({ diagnosticEvent, resourcePreEvent, resOutputsEvent, resOpFailedEvent, stdoutEvent }) => {
      if (isObject(diagnosticEvent)) showDiagnostic(diagnosticEvent);
      if (isObject(resourcePreEvent)) showStep(resourcePreEvent['metadata'], DOING);
      if (isObject(resOutputsEvent)) showStep(resOutputsEvent['metadata'], DONE);
      if (isObject(resOpFailedEvent) && isObject(resOpFailedEvent['metadata']))
        print(` +  ${titleOf(text(resOpFailedEvent['metadata']['urn']))} **creating failed** \n`);
      if (isObject(stdoutEvent)) print(text(stdoutEvent['message']));
    },
    close: (changes, seconds) => {
      print(diagnosticsOf(diagnostics, root));
      if (outputs && command !== 'destroy') print(outputsOf(outputs));
      print(`\nResources:\n${resourcesOf(changes, errored.size)}\nDuration: ${seconds}s\n\n`);
      if (command === 'destroy' && errored.size === 0) print(destroyedMessage(stack));
    },
  };
}

function diagnosticsOf(diagnostics: ReadonlyMap<string, readonly string[]>, root: string): string {
  if (diagnostics.size === 0) return '';
  const urns = [...diagnostics.keys()].sort((left, right) => Number(left === root) - Number(right === root));
  const blocks = urns.map((urn) => {
    const lines = (diagnostics.get(urn) ?? []).flatMap((message) => message.trimEnd().split('\n'));
    const [type = '', name = ''] = titleOf(urn).split(' ');
    return `  ${type} (${name}):\n${lines.map((line) => `    ${line}\n`).join('')}`;
  });
  return `Diagnostics:\n${blocks.join('\n')}`;
}

function outputsOf(outputs: { old: Props; news: Props; isFirst: boolean }): string {
  const { old, news, isFirst } = outputs;
  const names = [...new Set([...Object.keys(old), ...Object.keys(news)])].sort();
  if (names.length === 0) return '';
  const lines = names.map((name) => {
    const sign = name in news ? (name in old || isFirst ? ' ' : '+') : '-';
    const value = name in news ? news[name] : old[name];
    return `  ${sign} ${name}: ${isSecret(value) ? '[secret]' : JSON.stringify(value)}\n`;
  });
  return `\nOutputs:\n${lines.join('')}`;
}

function resourcesOf(changes: Readonly<Record<string, number>>, errored: number): string {
  const rows = [
    ['    + ', changes['create'], 'created'],
    ['    ~ ', changes['update'], 'updated'],
    ['    - ', changes['delete'], 'deleted'],
    ['    ', changes['same'], 'unchanged'],
    ['    ', errored, 'errored'],
  ] as const;
  return rows.map(([sign, count, verb]) => (count ? `${sign}${count} ${verb}\n` : '')).join('');
}

function destroyedMessage(stack: string): string {
  return (
    'The resources in the stack have been deleted, but the history and configuration associated with the stack are still maintained. \n' +
    `If you want to remove the stack completely, run \`pulumi stack rm ${stack}\`.\n`
  );
}

/** `aws:ec2:Instance a-1` for urn:pulumi:dev::lablink::aws:ec2/instance:Instance::a-1 */
function titleOf(urn: string): string {
  const [, , path = '', name = ''] = urn.split('::');
  const [pack = '', module = '', kind] = (path.split('$').at(-1) ?? '').split(':');
  return `${[pack, module.split('/')[0] ?? '', kind].filter((part) => part !== undefined).join(':')} ${name}`;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
