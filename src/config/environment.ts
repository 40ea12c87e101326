// The variables: which rule each keeps, and the reading of all of them at once.
// Knows nothing of the config file beyond the label under which a value of it is complained about.
import { z } from 'zod';
import type { ConfigKey } from './key.ts';
import { configKeys, type ConfigKeyName } from './keys.ts';
import { parseAll, type Wrong } from './parse.ts';
import { shown, type ConfigFault } from './problems.ts';
import * as rules from './rules.ts';

type WithDefault = {
  [K in ConfigKeyName]: (typeof configKeys)[K] extends { default: string } ? K : never;
}[ConfigKeyName];
const standard = (name: WithDefault): string => configKeys[name].default;

const { wholeNumber, oneOf } = rules;

const environment = z.object({
  HOST: rules.listenHost.prefault(standard('HOST')),
  PORT: wholeNumber(0, 65_535).prefault(standard('PORT')),
  PUBLIC_URL: rules.publicUrl.optional(),
  TRUST_PROXY: rules.trustProxy.prefault(standard('TRUST_PROXY')),
  DATA_DIR: rules.folder.prefault(standard('DATA_DIR')),
  DATABASE: oneOf(['embedded', 'external']).optional(),
  DATABASE_URL: rules.postgresUrl.optional(),
  DATABASE_POOL_SIZE: wholeNumber(1, 200).prefault(standard('DATABASE_POOL_SIZE')),
  ADMIN_USER: rules.adminUser.prefault(standard('ADMIN_USER')),
  ADMIN_PASSWORD: rules.adminPassword.optional(),
  SECRET_KEY: rules.secretKey.optional(),
  PROVIDER: oneOf(['local', 'aws', 'external']).prefault(standard('PROVIDER')),
  VM_AUTH: oneOf(['open', 'required']).optional(),
  REGISTRATION_TOKEN: rules.bearerToken.optional(),
  LOG_FORWARDER_TOKEN: rules.bearerToken.optional(),
  DEPLOYMENT: rules.hostnamePart.prefault(standard('DEPLOYMENT')),
  ENVIRONMENT: rules.hostnamePart.prefault(standard('ENVIRONMENT')),
  CONFIG_DIR: rules.folder.prefault(standard('CONFIG_DIR')),
  CONFIG_NAME: rules.folder.prefault(standard('CONFIG_NAME')),
  PULUMI_BACKEND_URL: rules.stateUrl.optional(),
  PULUMI_CONFIG_PASSPHRASE: rules.passphrase.optional(),
  PULUMI_SECRETS_PROVIDER: rules.keyUrl.optional(),
  PULUMI_CLI_DIR: rules.folder.optional(),
  ALLOCATOR_PUBLIC_IP: rules.ipAddress.optional(),
  ALLOCATOR_KEY_NAME: rules.plainText.optional(),
  CLOUD_INIT_LOG_GROUP: rules.logGroup.optional(),
  WORKSHOP_TITLE: rules.shownText(120).optional(),
  WORKSHOP_INSTRUCTIONS: rules.shownLines(4_000).optional(),
  WORKSHOP_CONTACT: rules.shownText(200).optional(),
  LOG_LEVEL: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).prefault(
    standard('LOG_LEVEL'),
  ),
  MAX_VMS_PER_LAUNCH: wholeNumber(1, 1_000).prefault(standard('MAX_VMS_PER_LAUNCH')),
  LAUNCH_HOURS: wholeNumber(1, 72).prefault(standard('LAUNCH_HOURS')),
  LAUNCH_CANARY: wholeNumber(0, 1_000).optional(),
  LAUNCH_CANARY_MINUTES: wholeNumber(1, 120).prefault(standard('LAUNCH_CANARY_MINUTES')),
  ALLOW_PLAIN_HTTP: oneOf(['true', 'false']).prefault(standard('ALLOW_PLAIN_HTTP')),
  CODE_LIFETIME_MINUTES: wholeNumber(1, 1_440).prefault(standard('CODE_LIFETIME_MINUTES')),
  START_DEADLINE_MINUTES: wholeNumber(1, 1_440).prefault(standard('START_DEADLINE_MINUTES')),
  RECYCLE_DEADLINE_MINUTES: wholeNumber(1, 1_440).prefault(standard('RECYCLE_DEADLINE_MINUTES')),
  DELIVERY_DEADLINE_MINUTES: wholeNumber(1, 1_440).prefault(standard('DELIVERY_DEADLINE_MINUTES')),
  SILENT_AFTER_MINUTES: wholeNumber(1, 1_440).prefault(standard('SILENT_AFTER_MINUTES')),
  MAX_LOG_BYTES_PER_VM: wholeNumber(1_024, 1_073_741_824).prefault(standard('MAX_LOG_BYTES_PER_VM')),
  REQUESTS_PER_MINUTE: wholeNumber(1, 10_000_000).prefault(standard('REQUESTS_PER_MINUTE')),
  MAX_WAITING_VMS: wholeNumber(1, 1_000_000).prefault(standard('MAX_WAITING_VMS')),
  POLL_MAX_SECONDS: wholeNumber(0, 604_800).prefault(standard('POLL_MAX_SECONDS')),
  DOWNLOAD_EXTENSIONS: rules.extensions.prefault(standard('DOWNLOAD_EXTENSIONS')),
  DOWNLOAD_LEAVE_OUT: rules.folderNames.prefault(standard('DOWNLOAD_LEAVE_OUT')),
  DOWNLOAD_FOLDER: rules.absoluteFolder.prefault(standard('DOWNLOAD_FOLDER')),
  DOWNLOAD_CONTAINER: rules.containerName.optional(),
  DOWNLOAD_SSH_USER: rules.userName.prefault(standard('DOWNLOAD_SSH_USER')),
  DOWNLOAD_PARALLEL: wholeNumber(1, 64).prefault(standard('DOWNLOAD_PARALLEL')),
  DOWNLOAD_MAX_RUNNING: wholeNumber(1, 32).prefault(standard('DOWNLOAD_MAX_RUNNING')),
  DOWNLOAD_STALL_SECONDS: wholeNumber(1, 600).prefault(standard('DOWNLOAD_STALL_SECONDS')),
  RESPONSE_FAULTS: oneOf(['log', 'throw']).prefault(standard('RESPONSE_FAULTS')),
  SHUTDOWN_GRACE_SECONDS: wholeNumber(0, 3_600).prefault(standard('SHUTDOWN_GRACE_SECONDS')),
} satisfies Record<ConfigKeyName, z.ZodType>);

export type Environment = z.output<typeof environment>;
export type Texts = Readonly<Record<string, string | undefined>>;

/** The variables that are ours and not blank: `PORT=` is what a Makefile or a compose file makes of an unset one. */
export function givenTexts(env: Texts): Record<string, string> {
  return Object.fromEntries(
    Object.keys(configKeys).flatMap((name) => {
      const value = env[name];
      return value === undefined || value.trim() === '' ? [] : [[name, value]];
    }),
  );
}

/** Values of the config file that a variable may give too, under the variable's name. */
export type FileTexts = { readonly path: string; readonly texts: Texts };

/**
 * Reads every variable; what is given wins over the file, and defaults stand in for what is missing or wrong.
 * @param given the variables that are set, as `givenTexts` returns them.
 */
export function readEnvironment(
  given: Readonly<Record<string, string>>,
  file: FileTexts | undefined,
): { values: Environment; faults: ConfigFault[] } {
  const { values, wrong } = parseAll(environment, { ...file?.texts, ...given });
  return {
    values,
    faults: wrong.map((entry) => faultOf(entry, entry.name in given ? undefined : file?.path)),
  };
}

function faultOf({ name, value, message }: Wrong, filePath: string | undefined): ConfigFault {
  const key = keyNamed(name);
  const subject = key.secret ? 'The value (not shown)' : shown(value);
  const fallback = key.default ?? key.otherwise;
  const then = fallback === undefined ? '' : ` (then: ${fallback.replaceAll('`', '')})`;
  if (filePath === undefined) {
    const remedy = `Set ${name} to ${key.accepts}, or leave it out${then}.`;
    return { key: name, problem: `${subject} ${message}.`, remedy };
  }
  const remedy = `Set ${name}, which wins over the file, to ${key.accepts}, or remove the line${then}.`;
  return { key: key.fileKey ?? name, problem: `${subject} ${message} (in ${filePath}).`, remedy };
}

function keyNamed(name: string): ConfigKey {
  const keys: Readonly<Record<string, ConfigKey>> = configKeys;
  return keys[name] ?? { meaning: '', accepts: 'something else' };
}
