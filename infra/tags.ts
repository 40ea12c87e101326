// The tags that every machine carries, and by which the cloud is asked for what is ours. Written by the program, read by
// the driver's own listing; pure.

export const TAG = {
  deployment: 'lablink:deployment',
  /** Random, made once: two servers may share an account and a deployment's name. */
  uid: 'lablink:uid',
  environment: 'lablink:environment',
  hostname: 'lablink:hostname',
  /** The operation that made the machine. */
  launch: 'lablink:launch',
} as const;
