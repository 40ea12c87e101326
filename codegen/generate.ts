// `make codegen`: writes every generated file.
import { writeFile } from 'node:fs/promises';
import { contractFiles } from './contract.ts';

for (const { path, text } of await contractFiles()) {
  await writeFile(path, text);
  console.log(path);
}
