// The page of one's own account, and those of signing out.
import type { FieldError } from '../contract/problems.ts';
import type { Viewer } from '../contract/role.ts';
import { PASSWORD_HINT } from '../vms/password.ts';
import { errorOf } from './format.ts';
import { layoutView, ROLE_LABELS } from './layout.ts';
import { render } from './render.ts';

export type AccountModel = {
  readonly viewer: Viewer | null;
  /** The configured admin, who has no account. */
  readonly isBuiltIn: boolean;
  readonly result: 'changed' | { readonly errors: readonly FieldError[] } | null;
  readonly site?: string | undefined;
};

export function renderAccount({ viewer, isBuiltIn, result, site }: AccountModel): string {
  const errors = result === null || result === 'changed' ? [] : result.errors;
  return render('account', {
    ...layoutView({
      site,
      viewer,
      title: 'Your account',
      area: 'admin',
      current: '/admin/account',
      styles: ['admin.css'],
      isError: errors.length > 0,
    }),
    user: viewer?.user ?? '',
    role: viewer && ROLE_LABELS[viewer.role],
    isAdmin: viewer?.role === 'admin',
    isBuiltIn,
    passwordHint: PASSWORD_HINT,
    isChanged: result === 'changed',
    hasErrors: errors.length > 0,
    errors: {
      current: errorOf(errors, 'current_password'),
      password: errorOf(errors, 'password'),
    },
  });
}

/** Shown where the browser's question for a name was cancelled. */
export function renderSignedOut(site?: string): string {
  return render('signed-out', {
    ...layoutView({ site, viewer: null, title: 'You are signed out', area: 'admin', isBare: true }),
  });
}

/** Somebody else has signed in where the one before signed out. */
export function renderSignedIn({
  viewer,
  site,
}: Pick<AccountModel, 'site'> & { readonly viewer: Viewer }): string {
  return render('signed-in', {
    ...layoutView({ site, viewer, title: 'You are signed in', area: 'admin' }),
    user: viewer.user,
    role: ROLE_LABELS[viewer.role],
  });
}
