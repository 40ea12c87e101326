// From checked values to the Config: units become ours, sections get their names. No rule lives here.
import { dirname } from 'node:path';
import type { DatabaseChoice } from './database.ts';
import type { Environment } from './environment.ts';
import type { FieldFile } from './field-file.ts';
import { freezeDeeply, type Config } from './schema.ts';

const CANARY_ABOVE = 5;
const MINUTE_MS = 60_000;
const SECOND_MS = 1_000;
/** What the field's machines have. */
const DISK_GB = 80;
const GRACE_MINUTES = 30;
const LOG_RETENTION_DAYS = 30;

type Parts = {
  readonly values: Environment;
  readonly file: FieldFile;
  readonly filePath: string | undefined;
  readonly dataDir: string;
  readonly choice: DatabaseChoice;
  readonly publicUrl: string | undefined;
};

/** The one frozen Config. */
export function assembleConfig(parts: Parts): Config {
  const { values, choice, filePath } = parts;
  return freezeDeeply({
    server: {
      host: values.HOST,
      port: values.PORT,
      publicUrl: parts.publicUrl,
      secureCookies: parts.publicUrl?.startsWith('https:') ?? false,
      trustProxy: values.TRUST_PROXY,
    },
    dataDir: parts.dataDir,
    database: choice.database,
    notifyChannel: choice.channel,
    admin: { user: values.ADMIN_USER, password: values.ADMIN_PASSWORD },
    secretKey: values.SECRET_KEY,
    provider: values.PROVIDER,
    vmAuth: values.VM_AUTH ?? (values.PROVIDER === 'aws' ? 'required' : 'open'),
    tokens: { registration: values.REGISTRATION_TOKEN, logForwarder: values.LOG_FORWARDER_TOKEN },
    logLevel: values.LOG_LEVEL,
    responseFaults: values.RESPONSE_FAULTS,
    deployment: { name: values.DEPLOYMENT, environment: values.ENVIRONMENT },
    pulumi: {
      backendUrl: values.PULUMI_BACKEND_URL,
      passphrase: values.PULUMI_CONFIG_PASSPHRASE,
      secretsProvider: values.PULUMI_SECRETS_PROVIDER,
      cliDir: values.PULUMI_CLI_DIR,
    },
    launch: launchOf(values),
    workshop: {
      title: values.WORKSHOP_TITLE,
      instructions: values.WORKSHOP_INSTRUCTIONS,
      contact: values.WORKSHOP_CONTACT,
    },
    ...machinesOf(parts),
    download: downloadOf(values),
    limits: limitsOf(values),
    file: filePath === undefined ? undefined : { path: filePath, dir: dirname(filePath) },
  });
}

function launchOf(values: Environment): Config['launch'] {
  const isAws = values.PROVIDER === 'aws';
  const above = values.LAUNCH_CANARY ?? (isAws ? CANARY_ABOVE : 0);
  return {
    hours: isAws ? values.LAUNCH_HOURS : undefined,
    canaryAbove: above === 0 ? undefined : above,
    canaryLimitMs: values.LAUNCH_CANARY_MINUTES * MINUTE_MS,
    allowPlainHttp: values.ALLOW_PLAIN_HTTP === 'true',
  };
}

function limitsOf(values: Environment): Config['limits'] {
  return {
    vmsPerLaunch: values.MAX_VMS_PER_LAUNCH,
    codeLifetimeMs: values.CODE_LIFETIME_MINUTES * MINUTE_MS,
    deadlines: {
      startMs: values.START_DEADLINE_MINUTES * MINUTE_MS,
      recycleMs: values.RECYCLE_DEADLINE_MINUTES * MINUTE_MS,
      deliveryMs: values.DELIVERY_DEADLINE_MINUTES * MINUTE_MS,
    },
    silentAfterMs: values.SILENT_AFTER_MINUTES * MINUTE_MS,
    logBytesPerVm: values.MAX_LOG_BYTES_PER_VM,
    waitingVms: values.MAX_WAITING_VMS,
    pollMaxSeconds: values.POLL_MAX_SECONDS === 0 ? undefined : values.POLL_MAX_SECONDS,
    requestsPerMinute: values.REQUESTS_PER_MINUTE,
    databasePoolSize: values.DATABASE_POOL_SIZE,
    shutdownGraceMs: values.SHUTDOWN_GRACE_SECONDS * SECOND_MS,
  };
}

function downloadOf(values: Environment): Config['download'] {
  return {
    extensions: values.DOWNLOAD_EXTENSIONS,
    leftOut: values.DOWNLOAD_LEAVE_OUT,
    folder: values.DOWNLOAD_FOLDER,
    container: values.DOWNLOAD_CONTAINER,
    sshUser: values.DOWNLOAD_SSH_USER,
    parallel: values.DOWNLOAD_PARALLEL,
    maxRunning: values.DOWNLOAD_MAX_RUNNING,
    stallMs: values.DOWNLOAD_STALL_SECONDS * SECOND_MS,
  };
}

/** What the file says about the machines, and about the one that the allocator itself runs on. */
function machinesOf({ values, file }: Parts) {
  const { machine, dns, eip, ssl, startup_script: script } = file;
  return {
    aws: {
      region: file.app.region,
      allocatorPublicIp: values.ALLOCATOR_PUBLIC_IP,
      allocatorKeyName: values.ALLOCATOR_KEY_NAME,
      cloudInitLogGroup: values.CLOUD_INIT_LOG_GROUP,
      bucketName: file.bucket_name,
    },
    machine: {
      type: machine.machine_type ?? machine.machine_types[0],
      types: [
        ...new Set([...(machine.machine_type ? [machine.machine_type] : []), ...machine.machine_types]),
      ],
      agent: machine.agent ?? 'container',
      diskGb: machine.disk_gb ?? DISK_GB,
      vpcId: machine.vpc_id,
      subnetIds: machine.subnet_ids,
      sshCidrs: machine.ssh_cidrs,
      graceMinutes: machine.grace_minutes ?? GRACE_MINUTES,
      logRetentionDays: machine.log_retention_days ?? LOG_RETENTION_DAYS,
      image: machine.image,
      amiId: machine.ami_id,
      repository: machine.repository,
      software: machine.software,
    },
    startupScript: { enabled: script.enabled, path: script.path, onError: script.on_error ?? 'continue' },
    dns: {
      enabled: dns.enabled,
      managed: dns.terraform_managed,
      domain: dns.domain,
      zoneId: dns.zone_id,
      createZone: dns.create_zone,
    },
    eip: { strategy: eip.strategy ?? 'dynamic', tagName: eip.tag_name },
    ssl: { provider: ssl.provider, email: ssl.email, staging: ssl.staging },
    allocatorImageTag: file.allocator.image_tag,
  } satisfies Partial<Config>;
}
