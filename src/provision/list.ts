// The list of providers: one line for each. Nothing else in src imports their folders, and nothing else lists them.
export { aws } from './aws/definition.ts';
export { external } from './external/definition.ts';
export { local } from './local/definition.ts';
