// The part of the schema about machines: where they are created, what they run, how they are launched.
import { z } from 'zod';
import { providersThat } from '../provision/providers.ts';
import { env, file } from './setting.ts';
import * as rules from './rules.ts';

const { flag, folder, oneOf, plainText, wholeNumber } = rules;

/** For keys of the LabLink config file that other LabLink tools read. */
const NO_EFFECT = 'Read by the tools that set up the allocator’s own machine; no effect here.';

const aws = z.object({
  region: file('app.region', plainText, {
    meaning: 'AWS region of the machines.',
    example: 'us-west-2',
  }),
  allocatorPublicIp: env('ALLOCATOR_PUBLIC_IP', rules.ipAddress, {
    otherwise: 'none',
    meaning: 'Address of this server as VMs see it, used where DNS is off.',
  }),
  allocatorKeyName: env('ALLOCATOR_KEY_NAME', plainText, {
    otherwise: 'none',
    meaning: 'Name of the key pair of the machine on which the allocator runs; no effect here.',
  }),
  cloudInitLogGroup: env('CLOUD_INIT_LOG_GROUP', rules.logGroup, {
    otherwise: '`/lablink/<deployment>-<environment>-<digest>`',
    meaning: 'CloudWatch log group to which VMs write their boot logs.',
  }),
  bucketName: file('bucket_name', plainText, { meaning: NO_EFFECT, example: 'state-of-the-workshop' }),
});

/** The values that CloudWatch accepts (PutRetentionPolicy). */
const LOG_RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 2_192, 2_557, 2_922, 3_288,
  3_653,
];

const machine = z.object({
  type: file('machine.machine_type', plainText, {
    otherwise: 'the first of `machine.machine_types`',
    meaning: 'AWS instance type.',
    example: 'g4dn.xlarge',
  }),
  types: file('machine.machine_types', rules.names, {
    meaning: 'More instance types, in the order in which a launch tries them when one is not available.',
    example: ['g4dn.xlarge', 'g5.xlarge'],
  }),
  agent: file('machine.agent', oneOf(['container', 'lablink']), {
    default: 'container',
    meaning: 'Which agent runs: that of the container image, or the one that the allocator serves.',
  }),
  diskGb: file('machine.disk_gb', wholeNumber(8, 16_384, 'GB'), {
    default: 80,
    meaning: 'Size of the disk of a machine.',
  }),
  vpcId: file('machine.vpc_id', plainText, {
    otherwise: 'the default VPC',
    meaning: 'VPC of the machines.',
    example: 'vpc-0123456789abcdef0',
  }),
  subnetIds: file('machine.subnet_ids', rules.names, {
    otherwise: 'those of the VPC',
    meaning: 'Subnets of the machines.',
    example: ['subnet-0123456789abcdef0'],
  }),
  sshCidrs: file('machine.ssh_cidrs', rules.addressBlocks, {
    otherwise: 'the public address of the allocator',
    meaning: 'Addresses from which machines can be reached over SSH.',
    example: ['203.0.113.7/32'],
  }),
  graceMinutes: file('machine.grace_minutes', wholeNumber(0, 1_440, 'minutes'), {
    default: 30,
    meaning: 'How long after the end of its launch a machine shuts itself down.',
  }),
  logRetentionDays: file('machine.log_retention_days', rules.numberOf(LOG_RETENTION_DAYS, 'days'), {
    default: 30,
    meaning: 'How long CloudWatch keeps the boot logs.',
  }),
  image: file('machine.image', plainText, {
    meaning: 'Container image that a machine runs.',
    example: 'ghcr.io/example/client-image:linux-amd64-v1.2.3',
  }),
  amiId: file('machine.ami_id', plainText, {
    meaning: 'AMI from which machines are created.',
    example: 'ami-0123456789abcdef0',
  }),
  repository: file('machine.repository', plainText, {
    meaning: 'Git repository that a machine clones for the participant.',
    example: 'https://github.com/example/tutorial-data.git',
  }),
  software: file('machine.software', plainText, {
    meaning: 'Name of the software that participants use.',
    example: 'sleap',
  }),
});

const startupScript = z.object({
  enabled: file('startup_script.enabled', flag, {
    default: false,
    meaning: 'Whether machines run a script of yours when they start.',
  }),
  path: file('startup_script.path', plainText, {
    meaning: 'Path of the script; a relative one starts at the folder of this file.',
    example: 'custom-startup.sh',
  }),
  onError: file('startup_script.on_error', oneOf(['continue', 'fail']), {
    default: 'continue',
    meaning: 'Whether a machine whose script failed continues or is in error.',
  }),
});

const dns = z.object({
  enabled: file('dns.enabled', flag, {
    default: false,
    meaning: 'Whether the allocator is reached at a DNS name made of the keys below.',
  }),
  managed: file('dns.terraform_managed', flag, { default: false, meaning: NO_EFFECT }),
  domain: file('dns.domain', plainText, { meaning: 'The domain.', example: 'lablink.example.org' }),
  zoneId: file('dns.zone_id', plainText, { meaning: NO_EFFECT, example: 'Z0123456789ABCDEFGHIJ' }),
  appName: file('dns.app_name', plainText, {
    otherwise: '`lablink`',
    meaning: 'Name of the application, in front of the domain.',
    example: 'lablink',
  }),
  pattern: file('dns.pattern', oneOf(['auto', 'app-only', 'custom']), {
    otherwise: '`custom` with `custom_subdomain`, `auto` with `app_name`, else the domain alone',
    meaning:
      '`auto`: `<app_name>.<domain>`, with `<environment>.` in front unless it is `prod`; `app-only`: `<app_name>.<domain>`; `custom`: `<custom_subdomain>.<domain>`.',
    example: 'auto',
  }),
  customSubdomain: file('dns.custom_subdomain', plainText, {
    meaning: 'The part in front of the domain, for the pattern `custom`.',
    example: 'workshop',
  }),
  createZone: file('dns.create_zone', flag, { default: false, meaning: NO_EFFECT }),
});

const ssl = z.object({
  provider: file('ssl.provider', rules.rawText, {
    meaning: 'Where the certificate comes from; `none`: the address is `http`, else `https`.',
    blankCounts: true,
    example: 'letsencrypt',
  }),
  email: file('ssl.email', plainText, { meaning: NO_EFFECT, example: 'admin@example.org' }),
  staging: file('ssl.staging', flag, {
    default: false,
    meaning: 'Whether the certificate is for tests only; then the address is `http`.',
  }),
});

const pulumi = z.object({
  backendUrl: env('PULUMI_BACKEND_URL', rules.stateUrl, {
    otherwise: 'a folder under `DATA_DIR`',
    meaning: 'Where the state of provisioning is kept.',
  }),
  passphrase: env('PULUMI_CONFIG_PASSPHRASE', rules.passphrase, {
    otherwise: 'generated and kept in `DATA_DIR`',
    meaning: 'Encrypts the secrets in that state.',
    secret: true,
  }),
  secretsProvider: env('PULUMI_SECRETS_PROVIDER', rules.keyUrl, {
    otherwise: 'the passphrase',
    meaning: 'Key of a cloud that encrypts them instead.',
  }),
  cliDir: env('PULUMI_CLI_DIR', folder, {
    otherwise: 'what `make setup-aws` has installed in `DATA_DIR`, else the `PATH`',
    meaning: 'Folder with `bin/pulumi`, of exactly the version that the allocator requires.',
  }),
});

export const machineSettings = {
  aws: aws.describe('AWS'),
  pulumi: pulumi.describe('Pulumi'),
  machine: machine.describe('Machines'),
  startupScript: startupScript.describe('Start-up script'),
  dns: dns.describe('DNS'),
  ssl: ssl.describe('Certificate'),
  eip: z
    .object({
      strategy: file('eip.strategy', oneOf(['dynamic', 'persistent']), {
        default: 'dynamic',
        meaning: NO_EFFECT,
      }),
      tagName: file('eip.tag_name', plainText, { meaning: NO_EFFECT, example: 'lablink-eip' }),
    })
    .describe('Elastic IP address'),
  allocatorImageTag: file('allocator.image_tag', plainText, {
    meaning: NO_EFFECT,
    example: 'linux-amd64-v1.2.3',
  }),
};

/** Where machines are billed by the hour. */
const billing = providersThat(({ bills }) => bills);

export const launchSettings = z.object({
  hours: env('LAUNCH_HOURS', wholeNumber(1, 72, 'hours'), {
    default: 8,
    meaning: `With ${billing}: how long after a launch its machines shut down, unless the launch sets another time.`,
  }),
  canaryAbove: env('LAUNCH_CANARY', wholeNumber(0, 1_000, 'VMs'), {
    otherwise: `\`5\` with ${billing}, else \`0\``,
    meaning:
      'A launch of more machines than this creates one first, and the others when that one has reported; `0`: never.',
  }),
  canaryLimitMs: env('LAUNCH_CANARY_MINUTES', rules.minutes(1, 120), {
    default: 15,
    meaning: 'How long that first machine may take to report before the launch is stopped.',
  }),
  requireDestroyConfirmation: env('REQUIRE_DESTROY_CONFIRMATION', flag, {
    default: false,
    meaning:
      'Whether `POST /destroy` of the original API needs the name of the deployment (`confirm`), as the pages and `POST /api/v1/operations` do.',
  }),
  allowPlainHttp: env('ALLOW_PLAIN_HTTP', flag, {
    default: false,
    meaning:
      'Whether machines may be launched in the cloud although `PUBLIC_URL` is `http`: their tokens would then cross the network unencrypted.',
  }),
});
