// The deployment's uid: random, made once, kept in the data folder and in the database, so that neither's loss makes the
// machines of this deployment orphans to it. The database's wins: several allocators may share it.
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { keepUid } from '../db/identity.ts';
import { keepSecret } from '../secrets/kept-file.ts';
import type { Data } from './data.ts';
import { StartRefused } from './environment.ts';

const FILE = 'deployment-uid';
const UID_CHARACTERS = 22;
const UID_BYTES = 16;
const FILE_MODE = 0o600;

/** Throws StartRefused where the data folder refuses it. */
export async function deploymentUid({ dataDir, database }: Data): Promise<string> {
  const kept = await keepSecret({
    dataDir,
    name: FILE,
    leastCharacters: UID_CHARACTERS,
    make: () => randomBytes(UID_BYTES).toString('base64url'),
    randomBytes: (count) => randomBytes(count),
  });
  if (!kept.ok) throw new StartRefused(kept.fault.problem, kept.fault.remedy);
  const uid = await keepUid(database.db, kept.value);
  // The folder follows the database, so that a database that is wiped later gets the right one back.
  if (uid !== kept.value) await writeFile(kept.path, `${uid}\n`, { mode: FILE_MODE });
  return uid;
}
