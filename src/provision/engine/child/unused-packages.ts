// Keeps packages out of this process that Pulumi loads and the allocator never needs: half of the processor time of a start.
// With them, Pulumi sends functions of a program to the cloud; ours sends none.
import { createRequire, Module } from 'node:module';

/** As @pulumi/pulumi requires them. The first is TypeScript, which it has in two versions. */
export const UNUSED_PACKAGES = ['./typescript-shim.js', '@npmcli/arborist', 'normalize-package-data'];

/** Call it before anything of @pulumi/pulumi is loaded. If Pulumi does use one of them, that fails and names it. */
export function leaveOutUnusedPackages(): void {
  const require = createRequire(import.meta.url);
  const requireOfPulumi = createRequire(require.resolve('@pulumi/pulumi/package.json'));
  for (const name of UNUSED_PACKAGES) {
    const path = requireOfPulumi.resolve(name);
    require.cache[path] = Object.assign(new Module(path), {
      filename: path,
      loaded: true,
      exports: failingExports(name),
    });
  }
}

function failingExports(name: string): object {
  const get = (_: object, property: string | symbol): true => {
    // Compiled imports ask for this when they load; without it, they would copy the properties, of which there are none.
    if (property === '__esModule') return true;
    throw new Error(
      `Pulumi used ${String(property)} of ${name}, which the allocator does not load. Remove it from UNUSED_PACKAGES in unused-packages.ts.`,
    );
  };
  return new Proxy({}, { get });
}
