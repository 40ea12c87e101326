// Accounts of admins and instructors: listed and changed by admins; everybody changes their own password and signs out.
import type { Caller, HandlersOf, Input } from '../contract/handlers.ts';
import type { components } from '../contract/openapi.gen.ts';
import { hashPassword, isPassword } from '../auth/passwords.ts';
import { callerName } from '../contract/caller.ts';
import { problem, ProblemError, type FieldError, type ProblemReply } from '../contract/problems.ts';
import { viewerOf, type Viewer } from '../contract/role.ts';
import { addAccount, changeAccount, findSignIn, listAccounts, type AccountChange } from '../db/accounts.ts';
import type { Db } from '../db/connect.ts';
import { renderAccount, renderSignedIn, renderSignedOut } from '../pages/account.ts';
import { renderAccounts, type RefusedForm } from '../pages/accounts.ts';
import { accountNameFault } from '../vms/account-name.ts';
import { passwordFault } from '../vms/password.ts';
import { json, page, see } from './replies.ts';

export type AccountsDependencies = {
  readonly db: Db;
  /** The configured admin. */
  readonly adminUser: string;
  readonly site?: string;
};

type AccountsView = components['schemas']['Accounts'];
type Done = NonNullable<Input<'accountsPage'>['query']['done']>;
type Refused = 'account_exists' | 'too_many_accounts' | 'invalid_request' | 'own_account';

export function createAccountsHandlers(dependencies: AccountsDependencies): HandlersOf<'accounts'> {
  const { db, site } = dependencies;
  const act = async (input: ActionInput, done: Done, change: AccountChange) => {
    const { path, caller, accept } = input;
    if (isOwn(input)) return refuse(dependencies, input, ownAccount(dependencies, caller), null);
    const isThere = await changeAccount(db, { name: path.name, by: callerName(caller) }, change);
    // A second click, or another tab: the page as it is now says more than "not found".
    if (accept === 'text/html') return seeAccounts(isThere ? done : 'gone');
    return isThere ? json(await accountsView(dependencies)) : problem('account_not_found');
  };
  return {
    listAccounts: async () => json(await accountsView(dependencies)),
    accountsPage: async ({ caller, query }) =>
      page(
        renderAccounts({
          accounts: await accountsView(dependencies),
          viewer: viewerOf(caller),
          done: query.done ?? null,
          site,
        }),
      ),
    addAccount: (input) => add(dependencies, input),
    changeAccountRole: (input) => act(input, 'role', { kind: 'role', role: input.body.role }),
    changeAccountPassword: async (input) => {
      const { name } = input.path;
      const fault = isOwn(input) ? null : passwordFault(input.body.password, name);
      if (fault !== null) {
        const wrong = problem('invalid_request', { errors: [faultOf('password', fault)] });
        return refuse(dependencies, input, wrong, { of: 'password', name });
      }
      return act(input, 'password', { kind: 'password', hash: await hashPassword(input.body.password) });
    },
    disableAccount: (input) => act(input, 'disabled', { kind: 'disable' }),
    enableAccount: (input) => act(input, 'enabled', { kind: 'enable' }),
    removeAccount: (input) => act(input, 'removed', { kind: 'remove' }),
    accountPage: ({ caller }) => page(accountPage(dependencies, viewerOf(caller), null)),
    changeOwnPassword: (input) => changeOwn(dependencies, input),
    signOut: ({ caller, query }) => {
      const viewer = viewerOf(caller);
      if (viewer && query.from !== viewer.user) return page(renderSignedIn({ viewer, site }));
      return {
        status: 401,
        type: 'text/html',
        headers: { 'WWW-Authenticate': SIGN_IN_AGAIN },
        body: renderSignedOut(site),
      };
    },
  };
}

/** Browsers forget the password that is refused with the challenge that they answered with it. */
const SIGN_IN_AGAIN = 'Basic realm="LabLink", charset="UTF-8"';

type ActionInput = Pick<Input<'disableAccount'>, 'path' | 'caller' | 'accept'>;

/** Nobody locks themselves out by a wrong click. */
function isOwn({ path, caller }: Pick<ActionInput, 'path' | 'caller'>): boolean {
  return path.name.toLowerCase() === callerName(caller).toLowerCase();
}

function ownAccount({ adminUser }: AccountsDependencies, caller: Caller) {
  return callerName(caller).toLowerCase() === adminUser.toLowerCase()
    ? problem('own_account', { detail: CONFIGURED })
    : problem('own_account');
}

const CONFIGURED =
  'This is the name of the configured admin (ADMIN_USER), as whom you are signed in. It is changed in the configuration, not here; an account with this name can be changed or removed by another admin.';

/** JSON clients get the problem, HTML clients the page with what is wrong. @param form what was sent; null = no form with fields */
async function refuse<Code extends Refused>(
  dependencies: AccountsDependencies,
  { caller, accept }: Pick<ActionInput, 'caller' | 'accept'>,
  refusal: ProblemReply<Code>,
  form: RefusedForm | null,
) {
  if (accept !== 'text/html') return refusal;
  const { detail, errors = [] } = refusal.body;
  const body = renderAccounts({
    accounts: await accountsView(dependencies),
    viewer: viewerOf(caller),
    refused: { form, message: detail, errors },
    site: dependencies.site,
  });
  return { status: refusal.status, type: 'text/html', body } as const;
}

function faultOf(field: string, message: string): FieldError {
  return { field, code: 'invalid', message };
}

async function add(dependencies: AccountsDependencies, { body, caller, accept }: Input<'addAccount'>) {
  const { db, adminUser } = dependencies;
  const { role, password } = body;
  const name = body.name.trim();
  const nameFault = accountNameFault(name, adminUser);
  const wrongPassword = passwordFault(password, name);
  const errors = [
    ...(nameFault === null ? [] : [faultOf('name', nameFault)]),
    ...(wrongPassword === null ? [] : [faultOf('password', wrongPassword)]),
  ];
  const refused = (code: Exclude<Refused, 'own_account'>, faults: readonly FieldError[]) =>
    refuse(dependencies, { caller, accept }, problem(code, { errors: faults }), {
      of: 'add',
      typed: { name: body.name, role },
    });
  if (errors.length > 0) return refused('invalid_request', errors);
  const by = callerName(caller);
  const added = await addAccount(db, { name, role, hash: await hashPassword(password), by });
  if (added === 'taken')
    return refused('account_exists', [faultOf('name', 'This name is taken. Choose another one.')]);
  if (added === 'full')
    return refused('too_many_accounts', [faultOf('name', 'There are too many accounts. Remove one first.')]);
  return accept === 'text/html' ? seeAccounts('added') : json(await accountsView(dependencies));
}

async function changeOwn(
  dependencies: AccountsDependencies,
  { body, caller, accept }: Input<'changeOwnPassword'>,
) {
  const { db, adminUser } = dependencies;
  const name = callerName(caller);
  const account = name.toLowerCase() === adminUser.toLowerCase() ? null : await findSignIn(db, name);
  if (!account) throw new ProblemError('no_account');
  const fault = (await isPassword(body.current_password, account.hash))
    ? (['password', passwordFault(body.password, name)] as const)
    : (['current_password', 'This is not your current password.'] as const);
  const [field, message] = fault;
  if (message !== null) {
    const errors = [faultOf(field, message)];
    if (accept !== 'text/html') return problem('invalid_request', { errors });
    const html = accountPage(dependencies, viewerOf(caller), { errors });
    return { status: 400, type: 'text/html', body: html } as const;
  }
  const hash = await hashPassword(body.password);
  await changeAccount(db, { name, by: name }, { kind: 'password', hash });
  return accept === 'text/html'
    ? page(accountPage(dependencies, viewerOf(caller), 'changed'))
    : json({ message: 'Your password was changed.' });
}

function accountPage(
  { site, adminUser }: AccountsDependencies,
  viewer: Viewer | null,
  result: Parameters<typeof renderAccount>[0]['result'],
): string {
  const isBuiltIn = viewer?.user.toLowerCase() === adminUser.toLowerCase();
  return renderAccount({ viewer, isBuiltIn, result, site });
}

function seeAccounts(done: Done) {
  return see(`/admin/accounts?done=${done}`);
}

async function accountsView({ db, adminUser }: AccountsDependencies): Promise<AccountsView> {
  const items = (await listAccounts(db)).map((account) => ({
    name: account.name,
    role: account.role,
    disabled: account.disabledAt !== null,
    shadowed: account.name.toLowerCase() === adminUser.toLowerCase(),
    created_at: account.createdAt.toISOString(),
    created_by: account.createdBy,
    changed_at: account.changedAt.toISOString(),
    changed_by: account.changedBy,
    last_used_at: account.lastUsedAt?.toISOString() ?? null,
  }));
  return { built_in: adminUser, items };
}
