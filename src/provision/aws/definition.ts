// Instances on AWS, created with Pulumi.
import type { ProviderDefinition } from '../definition.ts';

export const aws = {
  name: 'aws',
  meaning: 'instances on AWS (docs/aws.md)',
  creates: true,
  bills: true,
  needsTokens: true,
  needsLogForwarder: true,
  ownsUnknownVms: true,
  files: { kind: 'configured container' },
  canShare: ({ pulumi }) => pulumi.backendUrl?.startsWith('s3://') === true,
  proof: 'EC2 lists 0 machines with the tags of this deployment.',
  load: async () => (await import('./open.ts')).openAwsProvider,
  setUp: {
    usage: ['install Pulumi and its AWS plugin in the data folder (PROVIDER=aws)'],
    load: async () => (await import('./set-up.ts')).setUpAws,
  },
  doctor: {
    usage: [
      'check what a launch on AWS needs: programs, credentials, quota, address, state',
      '--vms <number>   for this many machines: which quota to request, and where; needs no set-up',
      '--type <type>    this instance type instead of the configured one',
      '--region <name>  this region instead of the configured one',
      '--json           output for programs',
    ],
    load: async () => (await import('./doctor/run.ts')).runDoctor,
  },
} as const satisfies ProviderDefinition;
