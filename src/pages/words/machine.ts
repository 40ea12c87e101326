// What the page of one machine says. No markup.
import type { components } from '../../contract/openapi.gen.ts';

type ActionName = components['schemas']['ActionName'];

const done = {
  'allow-browser':
    'For ten minutes, the next browser that sends the form with this e-mail is let in without the PIN.',
  reassign:
    'The person has this machine now. Their page has followed; if it asks for a fresh command, they need to paste one.',
  release: 'The machine was released. It is free again once its agent has emptied it.',
  'mark-healthy': 'The machine counts as healthy until it reports otherwise.',
  restart: 'The machine was restarted. It is running again when it says so.',
} as const satisfies Record<ActionName, string>;

export const machineWords = {
  done,
  doneTitle: 'Done',
  errorTitle: 'Nothing was changed',
  factsTitle: 'What is known',
  facts: {
    status: 'Status',
    provider: 'Provider',
    address: 'Address',
    gpu: 'GPU',
    inUse: 'In use',
    seen: 'Last seen',
    waiting: 'Agent waiting',
    boot: 'Boot id',
    disk: 'Free disk',
    startup: 'Start-up',
    created: 'Known since',
    launch: 'Launch',
    token: 'Token',
  },
  launchLink: 'the operation that made it',
  hasToken: 'It has one',
  noToken: 'It has none: whoever knows its hostname can speak for it',
  logs: 'See its log',
  personTitle: 'Its person',
  nobody: 'Nobody has this machine.',
  remains: 'The work of this person is still on it:',
  email: 'E-mail',
  pin: 'PIN',
  showPin: 'Show the PIN',
  delivery: 'Command',
  since: 'Has it since',
  letInOpen: 'The next browser with this e-mail is let in without the PIN until',
  work: 'Their work',
  download: 'Download it',
  actionsTitle: 'What can be done',
  timelineTitle: 'What happened',
  timelineEmpty: 'Nothing was noted yet.',
  by: 'by',
  confirm: 'Yes, do it:',
  back: 'All machines',
  allowBrowser: {
    title: 'Let its person back in',
    what: 'For somebody who has lost both browser and PIN. For ten minutes, the next browser that sends the form with this e-mail is let in without the PIN, once. Whoever sends it first is let in, so do it when they are ready.',
    submit: 'Let them in',
  },
  reassign: {
    title: 'Give its person another machine',
    what: 'They get a free machine, with the same PIN, and their page follows. What they made stays on this machine and is emptied with it: download it first. A command that was used is asked for again.',
    whatBroken:
      'They get a free machine, with the same PIN, and their page follows. This machine stays as it is until it is marked healthy, restarted or destroyed. A command that was used is asked for again.',
    submit: 'Give another machine',
    none: 'No machine is free right now.',
  },
  release: {
    title: 'Release it',
    what: 'Its person does not have it any more, and can ask for another one. Its agent empties it, with their work; only then is it free. Agents of older images cannot: their machines stay as they are until they are destroyed.',
    submit: 'Release it',
  },
  markHealthy: {
    title: 'Mark healthy',
    what: 'Takes back the error, or the unhealthy GPU. Nothing is changed on the machine: it may be given to somebody, and says it again if it is ill.',
    submit: 'Mark healthy',
  },
  restart: {
    title: 'Restart it',
    what: 'All of its programs end and start anew: what is open on it is lost, files stay. Until it reports again it is given to nobody.',
    submit: 'Restart it',
  },
  destroy: {
    title: 'Destroy it',
    what: 'The machine ends, with everything on it. This cannot be taken back.',
    submit: 'Destroy it',
  },
  forget: {
    title: 'Clear it from here',
    what: 'It came by itself, and runs on. It disappears from here, and what it reports is left unheard for an hour.',
    submit: 'Clear it from here',
  },
} as const;
