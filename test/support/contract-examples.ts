// The examples of openapi.yaml as requests. They refer to the rows of example-rows.ts.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { endpoints, type EndpointId } from '../../src/contract/endpoints.gen.ts';
import type { EndpointInfo } from '../../src/contract/endpoint.ts';
import { adminHeaders, type RawRequest } from './raw-http.ts';

const referenceSchema = z.object({ $ref: z.string() });
const parameterSchema = z.object({ name: z.string(), in: z.string(), example: z.unknown().optional() });
const endpointSchema = z.object({
  parameters: z.array(z.union([referenceSchema, parameterSchema])).default([]),
  requestBody: z
    .object({ content: z.record(z.string(), z.object({ example: z.unknown().optional() })) })
    .optional(),
});
const documentSchema = z.object({
  paths: z.record(z.string(), z.record(z.string(), endpointSchema.loose())),
  components: z.object({ parameters: z.record(z.string(), parameterSchema) }),
});

const document = documentSchema.parse(
  parse(readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8')),
);

export const endpointIds = Object.keys(endpoints) as EndpointId[];

export const infoOf = (id: EndpointId): EndpointInfo => endpoints[id];

/** Builds a request from the contract's examples, with the admin's password if the endpoint accepts it. */
export function exampleRequest(id: EndpointId): RawRequest {
  const { method, path, security, eventStream } = infoOf(id);
  const operation = document.paths[path]?.[method];
  if (operation === undefined) throw new Error(`The contract has no ${method} ${path}.`);
  const [body] = Object.entries(operation.requestBody?.content ?? {});
  return {
    method: method.toUpperCase(),
    path: path.replaceAll(/\{(\w+)\}/g, (_, name: string) => exampleOf(operation, name)),
    headers: {
      ...(security.some((schemes) => schemes.includes('adminBasic')) && adminHeaders),
      ...(body && { 'Content-Type': body[0] }),
    },
    ...(body && { body: encode(body[0], body[1].example) }),
    ...(eventStream && { leaveEarly: true }),
  };
}

function exampleOf({ parameters }: z.infer<typeof endpointSchema>, name: string): string {
  const found = parameters
    .map((parameter) => ('$ref' in parameter ? resolve(parameter.$ref) : parameter))
    .find((parameter) => parameter.in === 'path' && parameter.name === name);
  if (typeof found?.example !== 'string') throw new Error(`The path parameter ${name} has no example.`);
  return found.example;
}

function resolve(reference: string): z.infer<typeof parameterSchema> {
  const found = document.components.parameters[reference.split('/').at(-1) ?? ''];
  if (found === undefined) throw new Error(`${reference} leads nowhere.`);
  return found;
}

function encode(type: string, example: unknown): string {
  if (type === 'application/json') return JSON.stringify(example);
  const fields = z.record(z.string(), z.union([z.string(), z.number()])).parse(example);
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) form.set(name, String(value));
  return form.toString();
}
