// `lablink doctor --public URL`: looks at the allocator from outside, through whatever stands in front of it.
import { createAsk, NoAnswer, type Ask } from './ask.ts';
import { problem, unknown, type Finding } from './findings.ts';
import {
  authorizationOf,
  checkBody,
  checkEvents,
  checkHeaders,
  checkHeldPoll,
  type Admin,
  type HoldSeconds,
  type ProxyCheck,
} from './proxy.ts';
import {
  checkHealth,
  checkMetricsHidden,
  checkReached,
  checkRedirect,
  isLoopbackName,
} from './public-address.ts';

export type PublicDoctorOptions = {
  readonly url: URL;
  /** Where plain http is served. */
  readonly plain: URL;
  /** In PEM; null = the usual authorities alone. */
  readonly ca: string | null;
  /** Null: no password is known. */
  readonly admin: Admin | null;
  readonly holdSeconds: HoldSeconds;
  readonly now: Date;
};

/** Never rejects because of what it finds. */
export async function examinePublic(options: PublicDoctorOptions): Promise<Finding[]> {
  const { url, plain, admin } = options;
  const ask = createAsk(options.ca);
  const redirect = checkRedirect(ask, url, plain);
  const reached = await checkReached(ask, url, options.now);
  if (!reached.answers) return [...reached.findings, ...(await redirect)];
  const open = await Promise.all([
    guarded('health', checkHealth(ask, url)),
    guarded('metrics', checkMetricsHidden(ask, url)),
  ]);
  const behind = admin === null ? [NO_PASSWORD] : await examineProxy(ask, admin, options);
  return [...reached.findings, ...(await redirect), ...open, ...behind];
}

const NO_PASSWORD = unknown(
  'proxy',
  'What a proxy does to requests was not checked: that needs the password of the admin.',
  'Set ADMIN_PASSWORD (and ADMIN_USER).',
);

/** Those that wait run side by side: the held poll takes a minute. */
async function examineProxy(
  ask: Ask,
  admin: Admin,
  { url, holdSeconds }: PublicDoctorOptions,
): Promise<Finding[]> {
  if (url.protocol !== 'https:' && !isLoopbackName(url.hostname))
    return [
      unknown(
        'proxy',
        'What a proxy does was not checked: the password is not sent without encryption.',
        'Check the https address.',
      ),
    ];
  const check: ProxyCheck = { ask, url, authorization: authorizationOf(admin) };
  const headers = await checkHeaders(check).catch(() => null);
  if (headers === null) return [problem('login', 'The connection was cut.', 'See the log of the proxy.')];
  if (!headers.isAdmin) return [...headers.findings];
  const waiting = await Promise.all([
    guarded('event streams', checkEvents(check)),
    guarded('body limit', checkBody(check)),
    guarded('held poll', checkHeldPoll(check, holdSeconds)),
  ]);
  return [...headers.findings, ...waiting];
}

function guarded(name: string, check: Promise<Finding>): Promise<Finding> {
  return check.catch((error: unknown) => {
    if (!(error instanceof NoAnswer)) throw error;
    return problem(name, `The connection was cut: ${error.message}.`, 'See the log of the proxy.');
  });
}
