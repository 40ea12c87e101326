// A frame around the output of a command on a machine. The login shell may print text of its own before, after and into it
// (`echo` in ~/.bashrc): random marks say where the output begins and ends, and the exit code stands in the last one.
import { randomBytes } from 'node:crypto';

/** How the output is passed on. `counted`: with a count of its bytes at the end; `gzip`: compressed on the way. */
export type Passing = 'plain' | 'counted' | 'gzip';

export type Frame = {
  /** The line for the user's shell, whichever it is. */
  readonly command: string;
  readonly begin: Buffer;
  readonly end: Buffer;
};

export type FrameEnd = {
  readonly code: number;
  /** How many bytes the machine has printed, if it was asked to count them. */
  readonly counted: number | null;
};

const HALF_BYTES = 12;
/** Of what stands before the frame, the beginning is kept. */
const NOISE_BYTES = 200;
/** The exit code and the count. */
const TRAILER_BYTES = 40;

const PASSING = {
  plain: '>&3',
  counted: '| tee /dev/fd/5 5>&1 >&3 | wc -c',
  gzip: '| gzip -1 >&3',
} as const satisfies Record<Passing, string>;

/** @param command a line for a POSIX shell */
export function frameCommand(command: string, passing: Passing = 'plain'): Frame {
  // In two halves: a shell that prints the commands that it runs does not print the marks.
  const [one, two] = [randomBytes(HALF_BYTES).toString('hex'), randomBytes(HALF_BYTES).toString('hex')];
  const run =
    passing === 'plain'
      ? `{ ${command}; } >&3; echo $?`
      : `{ { ${command}; }; echo $? >&4; } ${PASSING[passing]}`;
  const script =
    `a=${one} b=${two}; exec 3>&1; printf %s%s $a $b; printf %s%s $a $b >&2; ` +
    `said=$({ ${run}; } 4>&1); printf %s%s $b $a >&2; printf '%s%s%s;' $b $a "$said"`;
  return {
    command: commandLine(['sh', '-c', script]),
    begin: Buffer.from(one + two),
    end: Buffer.from(two + one),
  };
}

/** One line for a POSIX shell, which passes each argument on unchanged. */
export function commandLine(args: readonly string[]): string {
  return args.map(quote).join(' ');
}

function quote(argument: string): string {
  return /^[A-Za-z0-9_./=-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`;
}

export type FrameReader = {
  /** What of this piece belongs to the output. */
  readonly take: (piece: Buffer) => Buffer;
  readonly hasBegun: () => boolean;
  /** Null until the output has ended. */
  readonly ended: () => FrameEnd | null;
  /** The beginning of what was printed before the frame. */
  readonly noise: () => string;
};

const NOTHING = Buffer.alloc(0);

/** @param hasTrailer whether the exit code follows the last mark, as in the standard output */
export function readFrame({ begin, end }: Frame, hasTrailer = true): FrameReader {
  let phase: 'before' | 'inside' | 'trailer' | 'over' = 'before';
  let [rest, noise] = [NOTHING, NOTHING];
  let over: FrameEnd | null = null;

  function before(data: Buffer): Buffer {
    const at = data.indexOf(begin);
    const skipped = at < 0 ? data.length - heldBack(data, begin) : at;
    if (noise.length < NOISE_BYTES) noise = Buffer.concat([noise, data.subarray(0, skipped)]);
    if (at < 0) {
      rest = Buffer.from(data.subarray(skipped));
      return NOTHING;
    }
    phase = 'inside';
    return inside(data.subarray(at + begin.length));
  }
  function inside(data: Buffer): Buffer {
    const at = data.indexOf(end);
    const length = at < 0 ? data.length - heldBack(data, end) : at;
    if (at < 0) rest = Buffer.from(data.subarray(length));
    else trailer(data.subarray(at + end.length));
    return data.subarray(0, length);
  }
  function trailer(data: Buffer): Buffer {
    phase = 'trailer';
    const { code, counted } =
      /^(?<code>\d+)\s*(?<counted>\d*)\s*;/.exec(data.toString('latin1'))?.groups ?? {};
    if (code !== undefined) over = { code: Number(code), counted: counted ? Number(counted) : null };
    else if (!hasTrailer) over = { code: 0, counted: null };
    if (over !== null || data.length > TRAILER_BYTES) phase = 'over';
    else rest = Buffer.from(data);
    return NOTHING;
  }

  const phases = { before, inside, trailer, over: () => NOTHING };
  return {
    take: (piece) => {
      const data = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
      rest = NOTHING;
      return phases[phase](data);
    },
    hasBegun: () => phase !== 'before',
    ended: () => over,
    noise: () => noise.toString('utf8', 0, NOISE_BYTES),
  };
}

/** How many bytes at the end of the data may be the beginning of the mark. */
function heldBack(data: Buffer, mark: Buffer): number {
  for (let length = Math.min(data.length, mark.length - 1); length > 0; length--)
    if (data.subarray(data.length - length).equals(mark.subarray(0, length))) return length;
  return 0;
}
