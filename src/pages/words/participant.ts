// What participants read: the form, their machine. No markup.

export const indexWords = {
  title: 'Get your machine',
  lead: 'Fill in this form and you are given a machine for the workshop, to use in your browser.',
  mineTitle: 'You have a machine already',
  mineLink: 'Go to',
  mineUnnamed: 'your machine',
  howTitle: 'Where the command comes from',
  how1: 'Open',
  how1Link: 'remotedesktop.google.com/headless',
  how1After: 'and sign in with your Google account.',
  how2: 'Press “Begin”, “Next” and “Authorize”. You need not install anything.',
  how3: 'Copy the whole command for Debian Linux and paste it below. Its code works once, for a few minutes: send it soon.',
  formTitle: 'Your details',
  email: 'E-mail address',
  emailHint: 'Your machine is kept under this address. Use the same one when you come back.',
  command: 'Chrome Remote Desktop command',
  commandHint: 'Paste the whole command, as you copied it.',
  pin: 'PIN of your machine',
  pinHint: 'This address has a machine already. Its six-digit PIN was shown when you were given it.',
  submit: 'Get my machine',
  missing: 'Email and CRD command are required.',
  invalid: 'Something in the form is not right yet.',
  /** In sentences about a field, by its name on the wire. */
  labels: { email: 'The e-mail address', crd_command: 'The command', pin: 'The PIN' },
} as const;

export const successWords = {
  title: 'Your machine',
  returning: 'This is the machine that you have already; it stays yours.',
  gone: 'This machine has been taken away. If you still need one, ask your instructor.',
  hostname: 'Machine',
  pin: 'PIN',
  email: 'Given to',
  stateTitle: 'State',
  nextTitle: 'How to get in',
  next1: 'Open',
  next1Link: 'Chrome Remote Desktop',
  next1After: 'with the same Google account.',
  next2: 'Choose the machine named above. It may take a minute to appear.',
  next3: 'Enter the PIN.',
  keep: 'You can come back to this page: keep its address.',
  keepLink: 'Address of this page',
  live: 'The state is kept up to date by itself.',
  noscript: 'Press Refresh to see the newest state.',
  freshTitle: 'Send a fresh command',
  freshHint:
    'A command works once and only for a few minutes. Get a new one and send it here; it goes to the same machine.',
  freshSubmit: 'Send the command',
  startPage: 'Start page',
} as const;

/** How many machines are free, as a sentence. */
export function freeSentence(count: number | null): string {
  if (count === null) return 'How many machines are free is not known right now. You can ask all the same.';
  if (count === 0)
    return 'No machine is free right now. If you have one already, this form brings you back to it.';
  return count === 1 ? '1 machine is free.' : `${count} machines are free.`;
}
