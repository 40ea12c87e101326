// JSON that this server wrote, read where it is trusted: typed as the contract says, and not checked again. For browsers.
import type { components } from './openapi.gen.ts';

type Schemas = components['schemas'];
export type SchemaName = keyof Schemas;
export type Schema<Name extends SchemaName> = Schemas[Name];

/** `schema` names what the text holds. */
export function readAnswer<Name extends SchemaName>(_schema: Name, text: string): Schemas[Name] {
  return JSON.parse(text) as Schemas[Name];
}
