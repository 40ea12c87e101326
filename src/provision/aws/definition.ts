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
  whyNotShared: ({ pulumi: { backendUrl, passphrase, secretsProvider } }) => {
    if (backendUrl?.startsWith('s3://') !== true)
      return 'PULUMI_BACKEND_URL names no bucket (s3://…), so the state of its machines is on one computer';
    return passphrase === undefined && secretsProvider === undefined
      ? 'PULUMI_CONFIG_PASSPHRASE is not set, so the passphrase of the state is in its data folder'
      : null;
  },
  proof: 'EC2 lists 0 machines with the tags of this deployment.',
  packagesRemedy:
    'Install what AWS needs: `make setup-aws` in a checkout, `sudo make install PROVIDER=aws` for the service, `LABLINK_TARGET=aws` for the container.',
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
  deploy: {
    usage: [
      'create an allocator on AWS, or change it: instance, address, role, data volume, TLS',
      '--domain <name>  its name in the DNS, such as lab.example.org (required)',
      '--image <image>  its container image, with Pulumi (required)',
      '--config <file>  its config file',
      '--env-file <file> more of its settings (docs/configuration.md), line by line: NAME=value',
      '--name <name>    DEPLOYMENT, of the allocator and its machines',
      '--sessions       let people of your account open a shell on the instance (Systems Manager)',
      '--region, --type, --disk <GB>, --ami  where and how large (t3.medium, 40 GB)',
    ],
    load: async () => (await import('./deployment/run.ts')).deploy,
  },
  destroyDeployment: {
    usage: [
      'destroy an allocator that `lablink deploy` created, once its machines are gone',
      '--confirm <name> its name, again (required); --name, --region as above',
      '--delete-data    its data volume too, which stays otherwise',
    ],
    load: async () => (await import('./deployment/run.ts')).destroyDeployment,
  },
} as const satisfies ProviderDefinition;
