// What of the configuration is dangerous: refused at start, or told on the console and in health for as long as it is so.
import { isLoopback } from '../config/derive.ts';
import type { Config } from '../config.ts';
import { fail, succeed, type Result } from '../result.ts';
import type { AdminCredentials } from '../secrets.ts';

const GOOD_PASSWORD_CHARACTERS = 12;
/** Fewer are refused where others can reach the server. */
const LEAST_PASSWORD_CHARACTERS = 8;

type Facts = {
  readonly config: Pick<Config, 'server' | 'vmAuth'>;
  readonly admin: Pick<AdminCredentials, 'password'>;
};

export function checkPassword({ config, admin }: Facts): Result {
  if (isLoopback(config.server.host) || admin.password.length >= LEAST_PASSWORD_CHARACTERS)
    return succeed(undefined);
  return fail({
    code: 'weak_password',
    message: `The admin's password has fewer than ${LEAST_PASSWORD_CHARACTERS} characters, and other computers can reach the server (HOST=${config.server.host}).`,
    remedy: `Set ADMIN_PASSWORD to one of at least ${GOOD_PASSWORD_CHARACTERS} characters, or leave it out: then one is generated.`,
  });
}

/** Each says what is dangerous, then what to do. */
export function risksOf({ config, admin }: Facts): string[] {
  const { host, publicUrl } = config.server;
  const isPlain = publicUrl?.startsWith('https:') !== true;
  return [
    ...(admin.password.length < GOOD_PASSWORD_CHARACTERS
      ? [
          `The admin's password has fewer than ${GOOD_PASSWORD_CHARACTERS} characters. Set a longer ADMIN_PASSWORD, or leave it out: then one is generated.`,
        ]
      : []),
    ...(config.vmAuth === 'open' && isPlain && !isLoopback(host)
      ? [
          `Other computers can reach this server (HOST=${host}) without https, and VM_AUTH is open: anyone who knows the hostname of a machine without a token can fetch its PIN. Set VM_AUTH=required, and a PUBLIC_URL with https.`,
        ]
      : []),
  ];
}
