// Failed logins, in the audit and in the log.
import { recordAuditEvent } from '../db/audit.ts';
import type { Db } from '../db/connect.ts';
import type { FailedLogin } from '../http/login-limit.ts';
import type { Log } from '../log.ts';

const NOBODY = 'unknown';

export function auditFailedLogins(db: Db, log: Pick<Log, 'warn'>): (failure: FailedLogin) => void {
  return ({ address, scheme, failures, isBlocked }) => {
    const detail = isBlocked
      ? `${failures} times a wrong ${scheme}; further attempts of this address are refused for a minute`
      : `a wrong ${scheme}`;
    log.warn(
      { address, scheme, failures },
      isBlocked ? 'Logins are refused for a minute.' : 'A login failed.',
    );
    recordAuditEvent(db, { who: NOBODY, what: 'refuse-login', detail, address }).catch((error: unknown) =>
      log.warn({ err: error, address }, 'A failed login could not be recorded.'),
    );
  };
}
