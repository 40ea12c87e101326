// The part of the catalogue of problems that is about accounts and roles.

export const accountProblems = {
  admins_only: {
    status: 403,
    title: 'For admins only',
    detail: 'Only admins may do this. You are signed in as an instructor. Ask an admin of this workshop.',
  },
  account_not_found: {
    status: 404,
    title: 'No such account',
    detail: 'There is no account with this name. It may have been removed.',
  },
  account_exists: {
    status: 409,
    title: 'Account exists',
    detail: 'This name is taken. Choose another one.',
  },
  too_many_accounts: {
    status: 409,
    title: 'Too many accounts',
    detail: 'There are as many accounts as there may be. Remove one first.',
  },
  own_account: {
    status: 409,
    title: 'Your own account',
    detail:
      'You cannot disable, remove or change your own account here, so that nobody locks themselves out. Ask another admin. You change your password on the page “Your account”.',
  },
  no_account: {
    status: 409,
    title: 'No account',
    detail:
      'You are signed in as the configured admin, who has no account. Change ADMIN_PASSWORD in the configuration, and restart the server.',
  },
} as const;
