// What happened to a machine, in a sentence each. Pure.
import type { components } from '../contract/openapi.gen.ts';

export type TimelineFacts = {
  readonly kind: components['schemas']['VmTimelineEntry']['kind'];
  readonly what: string;
  readonly detail: string;
};

const statuses: Readonly<Record<string, string>> = {
  initializing: 'It is starting.',
  running: 'It is running.',
  error: 'It is in error.',
  unreachable: 'Nothing is heard of it any more.',
  recycling: 'It is to be emptied.',
  destroying: 'It is to be destroyed.',
};

const assignments: Readonly<Record<string, string>> = {
  assigned: 'was given it.',
  delivered: '— it has fetched their command.',
  registered: '— it is connected.',
  failed: '— their command did not work.',
  released: 'does not have it any more.',
};

const actions: Readonly<Record<string, string>> = {
  'allow-browser': 'Let in from the next browser',
  reassign: 'Given another machine',
  release: 'Released',
  'mark-healthy': 'Marked healthy',
  restart: 'Restarted',
  destroy: 'Destroyed',
};

export function timelineText({ kind, what, detail }: TimelineFacts): string {
  switch (kind) {
    case 'status':
      return statuses[what] ?? what;
    case 'assignment':
      return `${detail} ${assignments[what] ?? what}`;
    case 'action':
      return `${actions[what] ?? what}${detail === '' ? '' : `: ${detail}`}.`;
    case 'operation':
      return what;
  }
}
