// Orphans, as the contract has them.
import type { components } from '../contract/openapi.gen.ts';
import type { Survey } from '../provision/orphans.ts';

export function orphansView({ items, checkedAt, error }: Survey): components['schemas']['Orphans'] {
  return {
    items: items.map((item) => ({
      id: item.id,
      kind: item.kind,
      hostname: item.hostname,
      launch_id: item.launchId,
      instance_type: item.instanceType,
      reason: item.reason,
      adoptable: item.adoptable,
      terminable: item.terminable,
    })),
    checked_at: checkedAt?.toISOString() ?? null,
    error,
  };
}
