// The variables about machines: where they are made, how they are launched, what is brought home. Composed in keys.ts.
import type { ConfigKey } from './key.ts';

/** What provisioning needs. */
export const provisioningKeys = {
  PULUMI_BACKEND_URL: {
    otherwise: 'a folder under `DATA_DIR`',
    meaning: 'Where the state of provisioning is kept.',
    accepts: 'an address such as s3://bucket or file:///folder',
  },
  PULUMI_CONFIG_PASSPHRASE: {
    otherwise: 'made and kept in `DATA_DIR`',
    meaning: 'What the secrets in that state are encrypted with.',
    accepts: 'a passphrase of your own',
    secret: true,
  },
  PULUMI_SECRETS_PROVIDER: {
    otherwise: 'the passphrase',
    meaning: 'A key of a cloud that encrypts them instead.',
    accepts: 'an address such as awskms://alias/lablink?region=us-west-2',
  },
  PULUMI_CLI_DIR: {
    otherwise: 'what `make setup-aws` put into `DATA_DIR`, else the `PATH`',
    meaning: 'Folder with `bin/pulumi`, of exactly the version that this program is written with.',
    accepts: 'the path of a folder',
  },
  ALLOCATOR_PUBLIC_IP: {
    otherwise: 'none',
    meaning: 'Address of this server as VMs see it, used where DNS is off.',
    accepts: 'an IP address',
  },
  ALLOCATOR_KEY_NAME: {
    otherwise: 'none',
    meaning: 'Name of the key pair of the machine that the allocator itself runs on.',
    accepts: 'the name of a key pair',
  },
  CLOUD_INIT_LOG_GROUP: {
    otherwise: '`/lablink/<deployment>/<environment>`',
    meaning: 'CloudWatch log group that VMs write their boot logs to.',
    accepts: 'at most 512 letters, digits and . - _ / #',
  },
} as const satisfies Record<string, ConfigKey>;

/** Launches. */
export const launchKeys = {
  MAX_VMS_PER_LAUNCH: {
    default: '100',
    meaning: 'The most machines that one launch may ask for.',
    accepts: 'a whole number from 1 to 1000',
    unit: 'VMs',
  },
  LAUNCH_HOURS: {
    default: '8',
    meaning:
      'With `PROVIDER=aws`, the hours after which the machines of a launch end, where the launch itself says nothing.',
    accepts: 'a whole number from 1 to 72',
    unit: 'hours',
  },
  LAUNCH_CANARY: {
    otherwise: '`5` with `PROVIDER=aws`, else `0`',
    meaning:
      'A launch of more machines than this makes the first one alone, and the others when it has reported; `0`: never.',
    accepts: 'a whole number from 0 to 1000',
    unit: 'VMs',
  },
  LAUNCH_CANARY_MINUTES: {
    default: '15',
    meaning: 'How long that first machine may take to report, before the launch is ended.',
    accepts: 'a whole number from 1 to 120',
    unit: 'minutes',
  },
  ALLOW_PLAIN_HTTP: {
    default: 'false',
    meaning:
      'Whether machines in the cloud may be launched where `PUBLIC_URL` is `http`: their tokens would cross the network in the clear.',
    accepts: 'true or false',
  },
} as const satisfies Record<string, ConfigKey>;

/** Downloads of everybody's work. */
export const downloadKeys = {
  DOWNLOAD_EXTENSIONS: {
    default: '*',
    meaning:
      'Which files a download brings home: one extension, several with commas between, or `*` for every file.',
    accepts: 'extensions such as slp,csv, or *',
    fileKey: 'machine.extension',
  },
  DOWNLOAD_LEAVE_OUT: {
    default: 'models,predictions',
    meaning:
      'Names of folders that a download leaves out with all that is in them; `none` leaves out nothing.',
    accepts: 'names of folders with commas between, or none',
  },
  DOWNLOAD_FOLDER: {
    default: '/home/client/Desktop',
    meaning:
      "Participants' folder: in the container with `PROVIDER=aws`, on the machine itself with `external`. Local VMs have their own.",
    accepts: 'an absolute path',
  },
  DOWNLOAD_CONTAINER: {
    otherwise: 'the one that runs',
    meaning: 'Name of the container on machines of AWS; `none`: the folder is on the machine itself.',
    accepts: 'the name of a container, or none',
  },
  DOWNLOAD_SSH_USER: {
    default: 'ubuntu',
    meaning: 'As whom machines are entered that have not told a user of their own.',
    accepts: 'the name of a user',
  },
  DOWNLOAD_PARALLEL: {
    default: '4',
    meaning: 'How many machines of one download send at once.',
    accepts: 'a whole number from 1 to 64',
    unit: 'VMs',
  },
  DOWNLOAD_MAX_RUNNING: {
    default: '4',
    meaning: 'How many downloads run at once; one more is answered 503.',
    accepts: 'a whole number from 1 to 32',
    unit: 'downloads',
  },
  DOWNLOAD_STALL_SECONDS: {
    default: '10',
    meaning:
      'A machine that is read and says nothing for this long is given up; the download goes on without it.',
    accepts: 'a whole number from 1 to 600',
    unit: 'seconds',
  },
} as const satisfies Record<string, ConfigKey>;
