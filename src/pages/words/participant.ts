// What participants read: the form, their machine, the check before the workshop. No markup.
import type { AssignmentState } from '../../vms/assignment.ts';

export const indexWords = {
  title: 'Get your machine',
  lead: 'Fill in this form and you are given a machine for the workshop, to use in your browser.',
  instructionsTitle: 'From your organiser',
  contact: 'Questions? Ask:',
  standingTitle: 'Where things stand',
  standingUnknown: 'How many machines are free is not known right now. You can ask all the same.',
  noscript: 'Load the page again to see the newest state.',
  tryAgain: 'You can try again now: what you typed is still here.',
  wait: 'What you typed stays here. Leave the page open: it says when a machine becomes free.',
  checkLink: 'First time? Try it out before the workshop.',
  mineTitle: 'You have a machine already',
  mineLink: 'Go to',
  mineUnnamed: 'your machine',
  howTitle: 'Where the command comes from',
  how1: 'Open',
  how1Link: 'remotedesktop.google.com/headless',
  how1After: 'and sign in with your Google account.',
  how2: 'Press “Begin”, “Next” and “Authorize”. You need not install anything.',
  how3: 'Copy the whole command for Debian Linux and paste it below.',
  howNote:
    'The code in the command works once, and only for a few minutes: get it when there are machines, and send it soon.',
  formTitle: 'Your details',
  email: 'E-mail address',
  emailHint: 'Your machine is kept under this address. Use the same one when you come back.',
  command: 'Chrome Remote Desktop command',
  commandHint: 'Paste the whole command, as you copied it. It begins with DISPLAY= and holds --code=.',
  commandRight: 'This looks right.',
  commandMissing: 'Paste the command.',
  pin: 'PIN of your machine',
  pinHint: 'This address has a machine already. Its six-digit PIN was shown when you were given it.',
  submit: 'Get my machine',
  sending: 'Asking for a machine …',
  missing: 'Email and CRD command are required.',
  invalid: 'Something in the form is not right yet.',
  /** In sentences about a field, by its name on the wire. */
  labels: { email: 'The e-mail address', crd_command: 'The command', pin: 'The PIN' },
} as const;

/** What has become of a step on the way to the machine, said to who cannot see its mark. */
const stepStates = {
  done: 'Done:',
  now: 'Now:',
  next: 'Next:',
  wrong: 'Went wrong:',
  unknown: 'Cannot be confirmed:',
} as const;

export type StepState = keyof typeof stepStates;

/** How far the way is, state by state: the command is sent, the machine registers, it is ready. */
export const stepsByState = {
  waiting: ['now', 'next', 'next'],
  sent: ['done', 'now', 'next'],
  sent_unconfirmed: ['done', 'unknown', 'unknown'],
  connected: ['done', 'done', 'done'],
  failed: ['done', 'wrong', 'next'],
  expired: ['wrong', 'next', 'next'],
  /** It had reached the machine, which told nothing in time. */
  expired_sent: ['done', 'wrong', 'next'],
  machine_lost: ['unknown', 'unknown', 'wrong'],
  released: ['unknown', 'unknown', 'wrong'],
} as const satisfies Record<AssignmentState | 'expired_sent', readonly [StepState, StepState, StepState]>;

export const successWords = {
  title: 'Your machine',
  returning: 'This is the machine that you have already; it stays yours.',
  gone: 'This machine has been taken away. If you still need one, ask your instructor.',
  hostname: 'Machine',
  pin: 'PIN',
  email: 'Given to',
  stateTitle: 'How far it is',
  steps: ['The command is sent to the machine', 'The machine registers with Google', 'Ready to connect'],
  stepStates,
  open: 'Open Chrome Remote Desktop',
  nextTitle: 'How to get in',
  next1: 'Open',
  next1Link: 'Chrome Remote Desktop',
  next1After: 'with the same Google account that the command is from.',
  next2: 'Choose the machine named above. It may take a minute to appear.',
  next3: 'Enter the PIN.',
  keep: 'You can come back to this page: keep its address.',
  keepLink: 'Address of this page',
  keepElsewhere: 'From another browser, send the form again with your e-mail address and this PIN.',
  noscript: 'Press Refresh to see the newest state.',
  freshTitle: 'Send a fresh command',
  freshHint:
    'A command works once and only for a few minutes. Get a new one and send it here; it goes to the same machine.',
  freshSubmit: 'Send the command',
  sending: 'Sending …',
  startPage: 'Start page',
  help: 'If it does not work, ask:',
} as const;

export const checkWords = {
  title: 'Check before the workshop',
  lead: 'Five minutes now save you half an hour then. Use the computer, the network and the Google account that you will use in the workshop.',
  browserTitle: 'This browser',
  browserLead: 'What this page can see of it:',
  browserNoscript:
    'With JavaScript switched on, this page looks at the following by itself. Chrome, Edge, Firefox and Safari of the last two years will do.',
  good: 'Good:',
  bad: 'Not good:',
  results: {
    cookies: [
      'Cookies',
      'Cookies are allowed.',
      'Cookies are switched off: allow them, or this page will not know you again.',
    ],
    video: [
      'Remote screens',
      'Remote screens can be shown (WebRTC).',
      'Remote screens cannot be shown: WebRTC is missing or switched off. Take another browser, such as Chrome.',
    ],
    clock: [
      'The clock of this computer',
      'The clock of this computer is right.',
      'The clock of this computer is wrong: set it, or signing in can fail.',
    ],
    window: [
      'The size of this screen',
      'The window is large enough to work in.',
      'This screen is small: it will do for looking, but bring a computer to work on.',
    ],
  },
  accountTitle: 'Your Google account',
  account1: 'Open',
  account1Link: 'Chrome Remote Desktop',
  account1After: 'and sign in. You should see “Remote devices”, or an offer to set one up.',
  account2: 'Open',
  account2Link: 'the page where the command comes from',
  account2After:
    'and press “Begin”, “Next” and “Authorize”. You should see commands for several systems. Do not keep one: its code lives for minutes only.',
  schoolTitle: 'Does it say that it is switched off?',
  school:
    'School and company accounts often have Chrome Remote Desktop switched off. The page then says that your administrator has disabled it, or that the service is not available.',
  school1: 'Use a private Google account for the workshop: that is quickest.',
  school2:
    'Or ask your administrator to switch on “Chrome Remote Desktop” for you, in the Google Admin console under “Additional Google services”.',
  school3: 'Signed in with several accounts? Open the pages in a private window, with one account alone.',
  networkTitle: 'Your network',
  network:
    'Chrome Remote Desktop needs the way to Google’s servers open. Some guest and school networks block it: if the pages above do not open, try a phone’s hotspot, and tell your organiser.',
  doneTitle: 'All good?',
  done: 'Then you are ready. On the day, open',
  doneLink: 'the form for your machine',
  notDone: 'Something does not work? Ask:',
} as const;
