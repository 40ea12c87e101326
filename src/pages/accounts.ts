// The page of the accounts: who may sign in, as what, and what an admin can change.
import type { components } from '../contract/openapi.gen.ts';
import type { FieldError } from '../contract/problems.ts';
import type { Viewer } from '../contract/role.ts';
import { layoutView, ROLE_LABELS } from './layout.ts';
import { errorOf, momentView } from './format.ts';
import { render, type View } from './render.ts';

type Account = components['schemas']['Account'];
type Role = components['schemas']['Role'];

export type AccountsModel = {
  readonly accounts: components['schemas']['Accounts'];
  readonly viewer: Viewer | null;
  readonly done?: keyof typeof doneSentences | null;
  /** Of a form that was refused; never the password. */
  readonly typed?: { readonly name: string; readonly role: Role };
  readonly errors?: readonly FieldError[];
  readonly site?: string | undefined;
};

const doneSentences = {
  added: 'The account was added. Send the person the name and the password separately.',
  role: 'The role was changed. It is valid from the next click.',
  password: 'The password was changed. The old one is not valid any more.',
  disabled: 'The account was disabled. It cannot sign in until you enable it.',
  enabled: 'The account was enabled. Its password is the same as before.',
  removed: 'The account was removed. What it did stays in the audit.',
} as const;

const ROLES: readonly Role[] = ['instructor', 'admin'];

export function renderAccounts(model: AccountsModel): string {
  const { accounts, viewer, done = null, typed, errors = [], site } = model;
  return render('accounts', {
    ...layoutView({
      site,
      viewer,
      title: 'Accounts',
      area: 'admin',
      current: '/admin/accounts',
      styles: ['admin.css'],
      isError: errors.length > 0,
    }),
    done: done && doneSentences[done],
    builtIn: accounts.built_in,
    isBuiltIn: viewer?.user === accounts.built_in,
    any: accounts.items.length > 0,
    accounts: accounts.items.map((account) => accountView(account, viewer)),
    hasErrors: errors.length > 0,
    errors: {
      name: errorOf(errors, 'name'),
      password: errorOf(errors, 'password'),
    },
    name: typed?.name ?? '',
    roles: rolesView(typed?.role ?? 'instructor'),
  });
}

function rolesView(chosen: Role): readonly View[] {
  return ROLES.map((role) => ({ role, label: ROLE_LABELS[role], chosen: role === chosen }));
}

function accountView(account: Account, viewer: Viewer | null): View {
  const { name, role, disabled, shadowed } = account;
  const isOwn = name === viewer?.user;
  const other = role === 'admin' ? 'instructor' : 'admin';
  return {
    name,
    key: encodeURIComponent(name),
    role: ROLE_LABELS[role],
    isOwn,
    mayChange: !isOwn,
    isDisabled: disabled,
    isShadowed: shadowed,
    otherRole: other,
    otherLabel: other === 'admin' ? 'Make admin' : 'Make instructor',
    added: { by: account.created_by, ...momentView(account.created_at) },
    used: momentView(account.last_used_at),
  };
}
