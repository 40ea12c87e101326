// What each pattern and format of the contract asks for, as a sentence that follows the name of the field: nobody has to read a regular
// expression. test/unit/patterns.test.ts holds it against the contract, both ways. Pure.

export const HAS_NUL = 'must not contain NUL characters';

const HOSTNAME = 'must be a hostname of letters, digits, dots, dashes and underscores';
const UUID = 'must be a UUID in lower case, such as 0b0f4c0e-58a1-4f0e-9a38-6f6a5b1d2c11';
const FILE_NAME = 'must be a file name of letters, digits, dots, dashes and underscores';
const COLUMN =
  'must be the name of a column in lower case, with a dash before it for the other direction, such as -machine';

/** Pattern → what a value must be. */
export const PATTERNS: Readonly<Record<string, string>> = {
  [String.raw`^[^\u0000]*$`]: HAS_NUL,
  '^-?(machine|status|person|use|gpu|seen|startup)$':
    'must be machine, status, person, use, gpu, seen or startup, with a dash before it for the other direction',
  '^-?[a-z]*$': COLUMN,
  '^[0-9]*$': 'must be a whole number',
  '^([1-9][0-9]{0,17})?$': 'must be the `next` of an earlier answer',
  '^[A-Za-z0-9][A-Za-z0-9._-]*$': FILE_NAME,
  '^[A-Za-z0-9._-]+$': 'must be letters, digits, dots, dashes and underscores',
  [String.raw`^[\x21-\x7e]+$`]: 'must be ASCII characters without spaces',
  '^[0-9]{1,15}(-[0-9]{1,15})?$': 'must be the ID of an event that this stream has sent',
  '^[A-Za-z0-9_][A-Za-z0-9._-]*$': HOSTNAME,
  '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$': UUID,
  '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$': UUID,
  '^[0-9]{6}$': 'must be six digits',
  '^[A-Za-z0-9][A-Za-z0-9._@-]*$':
    'must be letters, digits, dots, dashes, underscores and @, beginning with a letter or a digit',
  '^([Hh][Ee][Aa][Ll][Tt][Hh][Yy]|[Uu][Nn][Hh][Ee][Aa][Ll][Tt][Hh][Yy]|[Nn]/[Aa])$':
    'must be Healthy, Unhealthy or N/A',
  '^[A-Za-z0-9._:/-]+$': 'must be letters, digits, dots, dashes, underscores, colons and slashes',
  '^[A-Za-z0-9_:][A-Za-z0-9._:-]*$': 'must be an IP address or a hostname',
  '^[a-z_][a-z0-9_-]*$':
    'must be lower-case letters, digits, dashes and underscores, beginning with a letter or an underscore',
  '^x*$': 'must be letters x only',
};

/** Format → what a value must be. */
export const FORMATS: Readonly<Record<string, string>> = {
  'date-time': 'must be a time with its zone, such as 2027-03-01T09:00:00Z',
  uuid: UUID,
  binary: 'must be the bytes of a file',
};
