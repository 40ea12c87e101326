// Where a program that runs in a process of its own is: beside the module that starts it, under the same kind of name. In a
// checkout these are TypeScript files; in a bundled installation (codegen/bundle.ts) JavaScript files in the same folders.
import { extname } from 'node:path';

/** `name` has no extension and is relative to `module`, the `import.meta.url` of the caller. */
export function programBeside(module: string, name: string): URL {
  return new URL(`${name}${extname(module)}`, module);
}
