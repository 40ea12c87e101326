// What stands around every page. No markup.

export const shellWords = {
  /** Of everything here, as the browser is told; dates are written its way. */
  language: 'en-GB',
  brand: 'LabLink',
  skip: 'Skip to the content',
  unknown: 'Unknown',
  none: 'None',
  newTab: '(opens in a new tab)',
  refresh: 'Refresh',
  errorPrefix: 'Error',
  copy: 'Copy',
  copied: 'Copied',
  copyFailed: 'Select it and copy it by hand',
  connection: {
    lost: 'You are offline, or the server cannot be reached. This page tries again by itself.',
    back: 'The connection is back.',
  },
  nav: {
    label: 'Admin',
    overview: 'Lab',
    instances: 'Machines',
    create: 'Launch',
    operations: 'Operations',
    charts: 'Charts',
    destroy: 'Destroy',
    fleet: 'End and cost',
    docs: 'API docs',
  },
} as const;
