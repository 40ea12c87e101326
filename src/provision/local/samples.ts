// What lies on the desktop of a new local VM: small real files that look like a participant's work, with sub-folders,
// spaces and letters beyond ASCII, so that downloads meet on a laptop what they will meet in a workshop.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { tinyPng } from './tiny-png.ts';

export type SampleFile = {
  /** Below the desktop, with `/`. */
  readonly path: string;
  readonly content: string | Buffer;
};

/** An HDF5 file, as SLEAP writes its `.slp`: a skeleton of two nodes and two points. Gzipped, base64. */
const LABELS_SLP =
  'H4sIAAAAAAACA+3XTUsCQRgH8P/spiybkZqivUDL0FFEUjp0UUvKQyAE0SEkFtxgS3fFXSIS6Rh9gq6B0Dmw79QH6NbFZt9CiIJOeXh+MMzMMzO788wehn1oNg6W1DVVVhREpqFkPuiXwvjGx+tJq9k4lnAjpWcnRlQJDIivQFRKz3D1ju7qk3B1POWF433btFxHZ2G0gD+5fXt8DrYw/m0L2TQWvo8lyoAMFRlv8MIe9HT33OwgpVURJF9DZRGVqQxIolf2vVcTO96yWLDs0rEtrDKGpJjhlSARxV9RC5o+Lz5Zv+f+bhkY2xJPlRiTwkx+quUMWErb9N4laMgpyN2JVkwkJquKSFpmCD9MMjqWJ8y90+w4D0IIIfPicL91xGbukuheroX1kF8bA8e0Lb6r8e1iqVjiBY07V0bXcG3LEdGzIbfsjuE3RcsxvAmubnZ5e9Qefd1Qy3TWhBBCCCGEEELI/9Hq4m9fFG0PeKl/AqKoCQEQGAAA';
const PICTURE_PIXELS = 48;

/** The files of one machine; its name is in them, so that those of two machines can be told apart. */
export function sampleFiles(hostname: string): readonly SampleFile[] {
  const labels = gunzipSync(Buffer.from(LABELS_SLP, 'base64'));
  const frame = (shift: number): Buffer =>
    tinyPng(PICTURE_PIXELS, PICTURE_PIXELS, (x, y) => ((x + shift) * y * 5) % 256);
  return [
    { path: 'README.txt', content: `The desktop of ${hostname}, a local VM. These files are samples.\n` },
    { path: 'notes from today.txt', content: `${hostname}: 24 frames labelled, 2 to check again.\n` },
    { path: 'mouse tracking/labels.slp', content: labels },
    { path: 'mouse tracking/session 1/labels.v001.slp', content: labels },
    { path: 'mouse tracking/session 1/frame 0001.png', content: frame(0) },
    { path: 'mouse tracking/session 1/frame 0002.png', content: frame(7) },
    {
      path: 'Übung Ångström/Müller – Zählung.csv',
      content: `machine,animal,count\n${hostname},Mäuse,12\n${hostname},Grillen,7\n`,
    },
    { path: 'mouse tracking/models/centroid/training_log.csv', content: 'epoch,loss\n1,0.42\n2,0.17\n' },
    { path: 'mouse tracking/models/centroid/best_model.txt', content: `trained on ${hostname}\n` },
    { path: 'mouse tracking/predictions/labels.v001.predictions.slp', content: labels },
    { path: 'mouse tracking/predictions/summary.csv', content: 'frame,score\n1,0.91\n2,0.88\n' },
  ];
}

/** Writes them into a new desktop. */
export async function writeSamples(desktop: string, hostname: string): Promise<void> {
  for (const { path, content } of sampleFiles(hostname)) {
    const target = join(desktop, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
  }
}
