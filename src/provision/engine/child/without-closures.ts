// To serialise functions, which no program of ours contains, Pulumi loads TypeScript and npm's dependency tree: more than half
// of the start of a process. Import this before Pulumi; both modules are then replaced by functions that throw.
import { createRequire, Module } from 'node:module';

const require = createRequire(import.meta.url);

function refuse(): never {
  throw new Error('This process cannot serialise functions (without-closures.ts).');
}

const replaced = {
  'runtime/closure/serializeClosure.js': { serializeFunction: refuse, serializeFunctionAsync: refuse },
  'runtime/closure/codePaths.js': { computeCodePaths: refuse },
};

for (const [file, exports] of Object.entries(replaced)) {
  const path = require.resolve(`@pulumi/pulumi/${file}`);
  require.cache[path] = Object.assign(new Module(path), { exports, loaded: true });
}
