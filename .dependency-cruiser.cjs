const { existsSync, readdirSync } = require('node:fs');

// The dependency rules: imports run one way. Each rule names a module and what it must not import.
const moduleOf = (name) => `^src/${name}(/|\\.ts$)`;
// What everybody may use: no effects, no knowledge of the product.
const COMMON = ['result', 'async'];
/** Modules of the pages that browsers run too: text in, text out. */
const SHARED_PAGES =
  'pages/(assignment-steps|chart-labels|download-sentence|format|launch-cost|machine-row|operation-labels|spans|status-labels|hrefs)';
/** What others may know of providers: what each is and needs. */
const PROVIDERS = 'provision/(providers|definition|list)';
/** Each provider is a folder with a definition. */
const PROVIDER_FOLDERS = `^src/provision/(${readdirSync('src/provision')
  .filter((name) => existsSync(`src/provision/${name}/definition.ts`))
  .join('|')})/`;
const only = (from, allowed, comment) => ({
  name: `${from}-imports-only-what-it-may`,
  comment,
  severity: 'error',
  from: { path: moduleOf(from) },
  to: { path: '^src/', pathNot: [from, ...COMMON, ...allowed].map(moduleOf) },
});

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment:
        'The code of a provider is loaded when it is opened; until then its definition depends on nothing.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['dynamic-import'] } },
    },
    {
      name: 'no-test-code-in-the-server',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|codegen)/' },
    },
    {
      name: 'dependencies-are-declared',
      severity: 'error',
      // AWS has its own, which are loaded with the provider or the bucket: `make run` does not install them.
      from: { path: '^src/', pathNot: '^src/(provision/(aws|engine)/|backup/bucket\\.ts$)' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    only('result', [], 'A value or a failure.'),
    only('async', [], 'Waiting, retrying and locking, on top of the p-* packages.'),
    only('contract', [], 'The contract imports nothing of ours.'),
    only('vms', ['contract'], 'The rules are pure: no database, no network, no clock of their own.'),
    only('log', [], 'Lines without secrets; everybody may log.'),
    only(
      'metrics',
      ['vms'],
      'What is counted and read; who counts and reads hands it in. The kinds of things are named once.',
    ),
    only('lifecycle', ['log'], 'A stack of releases.'),
    only('config', [PROVIDERS, 'vms'], 'Settings from the environment and the config file.'),
    only('secrets', [], 'Secrets in the data folder.'),
    only('db', ['contract', 'vms', 'lifecycle', 'log', PROVIDERS], 'All SQL; knows nothing of HTTP.'),
    only('pages', ['contract', 'vms', PROVIDERS], 'View models in, HTML out.'),
    only(
      'browser',
      ['contract', 'vms', SHARED_PAGES],
      'What runs in browsers; what it shares with pages is pure.',
    ),
    {
      name: 'what-pages-share-with-browsers-is-pure',
      severity: 'error',
      from: { path: moduleOf(SHARED_PAGES) },
      to: { path: '^(src/|node_modules/)|^node:', pathNot: [SHARED_PAGES, 'vms', 'contract'].map(moduleOf) },
    },
    {
      name: 'only-the-browser-knows-the-browser',
      severity: 'error',
      from: { pathNot: '^src/browser/' },
      to: { path: '^src/browser/' },
    },
    only('delivery', ['contract', 'vms', 'db', 'lifecycle', 'log'], 'Waiting VMs and what wakes them.'),
    only('auth', ['contract', 'vms', 'db'], 'Who calls: passwords and tokens, against accounts and rows.'),
    only(
      'handlers',
      ['contract', 'vms', 'db', 'auth', 'pages', 'delivery', 'provision', 'collect', 'log'],
      'Value in, value out.',
    ),
    only('http', ['contract', 'lifecycle', 'log'], 'Bytes in, bytes out; knows no handler and no table.'),
    only(
      PROVIDERS,
      ['provision/[^/]+/definition', 'provision/provider', 'contract', 'vms'],
      'What providers are and need: no code of a provider, except when one is opened.',
    ),
    {
      name: 'only-the-list-imports-a-provider',
      comment: 'The rest of the program asks src/provision/providers.ts.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/provision/list\\.ts$', PROVIDER_FOLDERS] },
      to: { path: PROVIDER_FOLDERS },
    },
    {
      name: 'a-provider-knows-no-other',
      severity: 'error',
      from: { path: PROVIDER_FOLDERS },
      to: { path: PROVIDER_FOLDERS, pathNot: '^src/provision/$1/' },
    },
    {
      name: 'the-list-loads-no-code-of-a-provider',
      comment: 'A server with local VMs must not load the clients of a cloud.',
      severity: 'error',
      from: { path: '^src/provision/[^/]+/definition\\.ts$' },
      to: {
        path: '^src/|node_modules',
        pathNot: '^src/provision/definition\\.ts$',
        dependencyTypesNot: ['dynamic-import'],
      },
    },
    only(
      'backup',
      ['db', 'log', 'process', 'provision/providers', 'version'],
      'Backups: what is in them, where they are, and how they come back.',
    ),
    only(
      'notify',
      ['contract', 'vms', 'db', 'pages'],
      'E-mails and webhooks: what they say, and that each is sent once.',
    ),
    only(
      'schedule',
      ['vms', 'db', 'log', 'provision', 'collect', 'backup'],
      'What runs at a time: launches, downloads and destroys; knows nothing of HTTP and pages.',
    ),
    only('process', [], 'Processes of this computer: marked, found, signalled.'),
    only('ssh', [], 'Keys, and commands with a frame around their output.'),
    only('collect', ['log', 'ssh'], 'Files of machines into one archive; knows no table, no HTTP, no page.'),
    only(
      'provision',
      ['contract', 'vms', 'db', 'lifecycle', 'log', 'process', 'ssh', 'agent', 'client', 'version'],
      'Machines and operations; knows nothing of HTTP and pages.',
    ),
    {
      name: 'only-the-composition-knows-everybody',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(app|main)' },
      to: { path: '^src/(app|main)' },
    },
    {
      name: 'infra-is-pure',
      comment: 'What a fleet consists of: no server, no rows, no environment.',
      severity: 'error',
      from: { path: '^infra/' },
      to: { path: '^(src|test|bench|codegen)/' },
    },
    {
      name: 'infra-belongs-to-its-provider',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/provision/aws/' },
      to: { path: '^infra/' },
    },
    {
      name: 'only-the-child-runs-the-engine',
      comment: 'The Automation API takes over its process: never the server.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/provision/engine/child/' },
      to: {
        path: '(node_modules/@pulumi/|^src/provision/engine/child/|^infra/(allocator|client-vms|forwarder|machine)\\.ts)',
      },
    },
    {
      name: 'the-engine-knows-no-cloud',
      comment: 'It drives Pulumi for any provider, which hands it the program and the names of its cloud.',
      severity: 'error',
      from: { path: '^src/provision/engine/' },
      to: {
        path: '^(infra/|src/(?!provision/(engine/|provider\\.ts)|process/|log/|result\\.ts|async/))|@aws-sdk/|@pulumi/aws',
      },
    },
    only('client', ['contract'], 'The SDK.'),
    only(
      'doctor',
      ['contract'],
      'Looks at the allocator from outside: knows the contract, and nothing of the server.',
    ),
    only('support', ['log'], 'What a support bundle says, and what must not be in it.'),
    only('agent', ['client', 'contract', 'vms/crd-command'], 'What runs in a VM.'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
