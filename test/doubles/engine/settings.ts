// The settings file of a stack (`Pulumi.<stack>.yaml`). `stack init` stores the salt in it; if there is a salt, the passphrase
// must match it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { StackRef } from './backend.ts';
import { openCrypter, wrongPassphrase } from './secrets.ts';
import { isObject } from './values.ts';

export function writeSettings(stack: StackRef, salt: string): void {
  if (!existsSync(fileOf(stack))) writeFileSync(fileOf(stack), `encryptionsalt: ${salt}\n`);
}

export function checkSettings(stack: StackRef, passphrase: string): void {
  if (!existsSync(fileOf(stack))) return;
  const settings: unknown = parse(readFileSync(fileOf(stack), 'utf8'));
  const salt = isObject(settings) ? settings['encryptionsalt'] : undefined;
  if (typeof salt === 'string' && !openCrypter(passphrase, salt)) throw wrongPassphrase();
}

function fileOf({ name }: StackRef): string {
  return join(process.cwd(), `Pulumi.${name}.yaml`);
}
