// Which resources a replacement takes with it: those that depend on it and would be replaced themselves.
import type { Plugin } from './plugin.ts';
import type { Resource } from './snapshot.ts';

/** How Pulumi's protocol writes a value that is not known yet. */
const UNKNOWN = '04da6b54-80e4-46f7-96ec-b56ff0331ba9';

/**
 * In the order of their dependencies. As the real engine: what comes from a replaced resource is not known, and the plugin says whether a
 * change of it means a replacement. What has been registered in this run cannot depend on the root.
 */
export async function dependentReplacements(
  root: Resource,
  resources: readonly Resource[],
  registered: ReadonlySet<string>,
  plugin: Plugin,
): Promise<Resource[]> {
  const replaced = [root];
  for (const resource of resources) {
    if (!resource.custom || registered.has(resource.urn)) continue;
    const inputs = Object.fromEntries(
      Object.entries(resource.inputs).map(([property, value]) => {
        const from = resource.propertyDependencies[property] ?? [];
        return [property, replaced.some(({ urn }) => from.includes(urn)) ? UNKNOWN : value];
      }),
    );
    if (!Object.values(inputs).includes(UNKNOWN)) continue;
    const { replaces } = await plugin.diff(resource, inputs);
    if (replaces.length > 0) replaced.push(resource);
  }
  return replaced.slice(1);
}
