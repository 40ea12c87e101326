// The files on the desktop of a new local VM: small files like those of a participant, with sub-folders, spaces and non-ASCII
// letters, so that a download on a laptop meets what it meets in a workshop.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';

export type SampleFile = {
  /** Below the desktop, with `/`. */
  readonly path: string;
  readonly content: string | Buffer;
};

/** An HDF5 file, as SLEAP writes its `.slp`: a skeleton of two nodes and two points. Gzipped, base64. */
const LABELS_SLP =
  'H4sIAAAAAAACA+3XTUsCQRgH8P/spiybkZqivUDL0FFEUjp0UUvKQyAE0SEkFtxgS3fFXSIS6Rh9gq6B0Dmw79QH6NbFZt9CiIJOeXh+MMzMMzO788wehn1oNg6W1DVVVhREpqFkPuiXwvjGx+tJq9k4lnAjpWcnRlQJDIivQFRKz3D1ju7qk3B1POWF433btFxHZ2G0gD+5fXt8DrYw/m0L2TQWvo8lyoAMFRlv8MIe9HT33OwgpVURJF9DZRGVqQxIolf2vVcTO96yWLDs0rEtrDKGpJjhlSARxV9RC5o+Lz5Zv+f+bhkY2xJPlRiTwkx+quUMWErb9N4laMgpyN2JVkwkJquKSFpmCD9MMjqWJ8y90+w4D0IIIfPicL91xGbukuheroX1kF8bA8e0Lb6r8e1iqVjiBY07V0bXcG3LEdGzIbfsjuE3RcsxvAmubnZ5e9Qefd1Qy3TWhBBCCCGEEELI/9Hq4m9fFG0PeKl/AqKoCQEQGAAA';
/** A grey picture of 16 × 16 pixels, base64. */
const FRAME_PNG =
  'iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAAAAAA6mKC9AAAAaklEQVR4nHWNUQ1EQQgDKwUplVIpSEEKUpByKbyXu58jYenMkgD8qdgi+RJJSZl5bMqs6p5j6aWwWO4ZePOE+Zm/vGOFg7Ut9mcQyrWFi8F7yodUDUdLnw3VuGFm4pnfvrBLx2BO6Fw29AHFylWB8P6G/gAAAABJRU5ErkJggg==';

/** The files contain the hostname, so that those of two VMs differ. */
export function sampleFiles(hostname: string): readonly SampleFile[] {
  const labels = gunzipSync(Buffer.from(LABELS_SLP, 'base64'));
  const frame = Buffer.from(FRAME_PNG, 'base64');
  return [
    { path: 'README.txt', content: `The desktop of ${hostname}, a local VM. These files are samples.\n` },
    { path: 'notes from today.txt', content: `${hostname}: 24 frames labelled, 2 to check again.\n` },
    { path: 'mouse tracking/labels.slp', content: labels },
    { path: 'mouse tracking/session 1/labels.v001.slp', content: labels },
    { path: 'mouse tracking/session 1/frame 0001.png', content: frame },
    { path: 'mouse tracking/session 1/frame 0002.png', content: frame },
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

export async function writeSamples(desktop: string, hostname: string): Promise<void> {
  for (const { path, content } of sampleFiles(hostname)) {
    const target = join(desktop, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
  }
}
