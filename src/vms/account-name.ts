// Names of accounts. Pure.

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;

/** Parts of the allocator that the audit names as it names people. */
const PROGRAMS: readonly string[] = [
  ...['allocator', 'unknown', 'anonymous', 'vm', 'forwarder', 'registrar', 'monitor', 'schedule'],
];

/** What is wrong with the name of a new account, as a sentence; null = nothing. @param adminUser the configured admin */
export function accountNameFault(name: string, adminUser: string): string | null {
  if (!NAME.test(name))
    return 'A name has at most 64 letters, digits, dots, dashes, underscores and @, and begins with a letter or digit.';
  const small = name.toLowerCase();
  if (small === adminUser.toLowerCase())
    return 'This is the name of the configured admin (ADMIN_USER). Choose another one.';
  if (PROGRAMS.includes(small)) return 'The allocator itself has this name in the audit. Choose another one.';
  return null;
}
