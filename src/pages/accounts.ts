// The page of the accounts: who may sign in, as what, and what an admin can change.
import type { components } from '../contract/openapi.gen.ts';
import type { FieldError } from '../contract/problems.ts';
import type { Viewer } from '../contract/role.ts';
import { PASSWORD_HINT } from '../vms/password.ts';
import { layoutView, ROLE_LABELS } from './layout.ts';
import { errorOf, momentView } from './format.ts';
import { render, type View } from './render.ts';

type Account = components['schemas']['Account'];
type Role = components['schemas']['Role'];

/** A form that was refused, with what was typed; never the password. */
export type RefusedForm =
  | { readonly of: 'add'; readonly typed: { readonly name: string; readonly role: Role } }
  | { readonly of: 'password'; readonly name: string };

export type AccountsModel = {
  readonly accounts: components['schemas']['Accounts'];
  readonly viewer: Viewer | null;
  readonly done?: keyof typeof doneSentences | null;
  readonly refused?: {
    /** What was sent; null = an action without fields. */
    readonly form: RefusedForm | null;
    readonly message: string;
    readonly errors: readonly FieldError[];
  };
  readonly site?: string | undefined;
};

const doneSentences = {
  added: 'The account was added. Send the person the name and the password separately.',
  role: 'The role was changed. It is valid from the next click.',
  password: 'The password was changed. The old one is not valid any more.',
  disabled: 'The account was disabled. It cannot sign in until you enable it.',
  enabled: 'The account was enabled. Its password is the same as before.',
  removed: 'The account was removed. What it did stays in the audit.',
  gone: 'There is no such account any more: it has been removed already.',
} as const;

const ROLES: readonly Role[] = ['instructor', 'admin'];

export function renderAccounts(model: AccountsModel): string {
  const { accounts, viewer, done = null, refused, site } = model;
  return render('accounts', {
    ...layoutView({
      site,
      viewer,
      title: 'Accounts',
      area: 'admin',
      current: '/admin/accounts',
      styles: ['admin.css'],
      isError: refused !== undefined,
    }),
    done: done !== null && done !== 'gone' ? doneSentences[done] : null,
    gone: done === 'gone' ? doneSentences.gone : null,
    alert: refused ? alertView(refused) : null,
    passwordHint: PASSWORD_HINT,
    builtIn: accounts.built_in,
    any: accounts.items.length > 0,
    accounts: accounts.items.map((account) => accountView(account, viewer)),
    ...formsView(refused),
  });
}

/** The form that adds, and the one of a new password that was refused. */
function formsView(refused: AccountsModel['refused']): View {
  const { form = null, errors = [] } = refused ?? {};
  const added = form?.of === 'add' ? form.typed : { name: '', role: 'instructor' as const };
  const addErrors = form?.of === 'add' ? errors : [];
  return {
    renewed: form?.of === 'password' && { ...keyView(form.name), error: errorOf(errors, 'password') },
    errors: { name: errorOf(addErrors, 'name'), password: errorOf(addErrors, 'password') },
    name: added.name,
    roles: rolesView(added.role),
  };
}

/** What was not done, and where it is corrected. */
function alertView({ form, message }: NonNullable<AccountsModel['refused']>): View {
  switch (form?.of) {
    case 'add':
      return {
        text: 'No account was added.',
        link: { href: '#name', label: 'Please correct the fields below, and type the password again.' },
      };
    case 'password':
      return {
        text: `The password of ${form.name} was not changed.`,
        link: { href: '#renewed', label: 'Please type another one below.' },
      };
    default:
      return { text: message, link: null };
  }
}

function keyView(name: string) {
  return { name, key: encodeURIComponent(name) };
}

function rolesView(chosen: Role): readonly View[] {
  return ROLES.map((role) => ({ role, label: ROLE_LABELS[role], chosen: role === chosen }));
}

function accountView(account: Account, viewer: Viewer | null): View {
  const { name, role, disabled, shadowed } = account;
  const isSame = name.toLowerCase() === viewer?.user.toLowerCase();
  const other = role === 'admin' ? 'instructor' : 'admin';
  return {
    ...keyView(name),
    role: ROLE_LABELS[role],
    // An account with the name of the configured admin is nobody's who can sign in.
    isOwn: isSame && !shadowed,
    mayChange: !isSame,
    isDisabled: disabled,
    isShadowed: shadowed,
    otherRole: other,
    otherLabel: other === 'admin' ? 'Make admin' : 'Make instructor',
    added: { by: account.created_by, ...momentView(account.created_at) },
    used: momentView(account.last_used_at),
  };
}
