// Requests for the statuses of the endpoints of accounts that depend on the rows; each is sent for both media types.
import type { EndpointId } from '../../src/contract/endpoints.gen.ts';
import { exampleRequest } from './contract-examples.ts';
import { withHeaders } from './status-requests.ts';
import type { RawRequest } from './raw-http.ts';

/** The account of the examples. */
export const AS_ACCOUNT = { Authorization: `Basic ${btoa('ada:correct horse battery')}` };

const withBody = (request: RawRequest, body: object): RawRequest => ({
  ...request,
  body: JSON.stringify(body),
});
const own = withHeaders(exampleRequest('changeOwnPassword'), AS_ACCOUNT);

const ofOneAccount = [
  'changeAccountRole',
  'changeAccountPassword',
  'disableAccount',
  'enableAccount',
  'removeAccount',
] as const satisfies readonly EndpointId[];

export const accountRequests: Readonly<Record<string, readonly RawRequest[]>> = {
  accountsPage: [{ ...exampleRequest('accountsPage'), path: '/admin/accounts?done=nothing' }],
  signOut: ['admin', 'x'.repeat(101)].map((from) => ({
    ...exampleRequest('signOut'),
    path: `/admin/sign-out?from=${from}`,
  })),
  addAccount: [
    withBody(exampleRequest('addAccount'), { name: 'ada', role: 'admin', password: 'a good long one' }),
    withBody(exampleRequest('addAccount'), { name: '-', role: 'admin', password: 'short' }),
  ],
  // One's own account, and none.
  ...Object.fromEntries(
    ofOneAccount.map((id) => [
      id,
      ['admin', 'nobody'].map((name) => {
        const example = exampleRequest(id);
        return { ...example, path: example.path.replace('ada', name) };
      }),
    ]),
  ),
  changeOwnPassword: [
    own,
    withBody(own, { current_password: 'another one', password: 'a good long one' }),
    exampleRequest('changeOwnPassword'),
  ],
};
