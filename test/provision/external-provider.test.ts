import { external } from '../../src/provision/external/definition.ts';
import { testProvider } from './provider-suite.ts';

testProvider(external, () =>
  Promise.resolve({
    open: async () => (await external.load())(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }),
);
