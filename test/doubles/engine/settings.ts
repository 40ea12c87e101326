// The settings file of a stack (`Pulumi.<stack>.yaml`). `stack init` stores the salt in it; if there is a salt, the passphrase
// must match it.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { StackRef } from './backend.ts';
import { unsupported } from './failure.ts';
import { openCrypter, wrongPassphrase } from './secrets.ts';
import { isObject } from './values.ts';

export function writeSettings(stack: StackRef, salt: string): void {
  appendFileSync(fileOf(stack), `encryptionsalt: ${salt}\n`);
}

export function checkSettings(stack: StackRef, passphrase: string): void {
  const salt = readSettings(stack)['encryptionsalt'];
  if (typeof salt === 'string' && !openCrypter(passphrase, salt)) throw wrongPassphrase();
}

/** The configuration of the stack, such as `aws:maxRetries`. Secret values are not supported. */
export function readConfig(stack: StackRef): Readonly<Record<string, string>> {
  const { config } = readSettings(stack);
  const entries = Object.entries(isObject(config) ? config : {});
  return Object.fromEntries(
    entries.map(([key, value]) => {
      if (typeof value !== 'string') throw unsupported(`the configuration ${key}, which is no text`);
      return [key, value];
    }),
  );
}

/** The part for AWS, as its provider gets it. */
export function providerConfig(config: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const ours = Object.entries(config).filter(([key]) => key.startsWith('aws:'));
  return Object.fromEntries(ours.map(([key, value]) => [key.slice('aws:'.length), value]));
}

function readSettings(stack: StackRef): Readonly<Record<string, unknown>> {
  if (!existsSync(fileOf(stack))) return {};
  const settings: unknown = parse(readFileSync(fileOf(stack), 'utf8'));
  return isObject(settings) ? settings : {};
}

function fileOf({ name }: StackRef): string {
  return join(process.cwd(), `Pulumi.${name}.yaml`);
}
